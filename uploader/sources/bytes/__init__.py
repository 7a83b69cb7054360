"""From bytes on disk or on the network to lines of UTF-8 text.

byte_source         the interface of every source of bytes: counted bytes, fingerprint
compression         gzip, zstd, bzip2 and xz, unpacked in blocks
encodings           detects the encoding of a text, and decodes it to UTF-8
lines               blocks of bytes cut into lines
local               local files, named pipes and standard input
remote              files on the network, through fsspec
stream_fingerprint  a hash of what was read of a stream, to recognise it when it is piped again
zip_archive         the one data file in a ZIP archive
"""
