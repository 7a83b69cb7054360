"""From bytes on disk or on the network to lines of UTF-8 text.

byte_source         what every source of bytes offers: counted bytes, and its fingerprint
compression         gzip, zstd, bzip2 and xz, unpacked in blocks
encodings           which encoding a text is in, and its way to UTF-8
lines               blocks of bytes cut into lines
local               local files, named pipes and standard input
remote              files on the network, through fsspec
stream_fingerprint  what was read of a stream before, by hash, so that it can be piped again
zip_archive         the one data file in a ZIP archive
"""
