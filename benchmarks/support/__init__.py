"""What the benchmarks share: processes, servers, files of records, the oracle, contenders and charts."""
