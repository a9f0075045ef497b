/// CRC-32 as zlib's.
func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var value = ~UInt32(0)
    for byte in bytes {
        value = crcTable[Int((value ^ UInt32(byte)) & 0xFF)] ^ value >> 8
    }
    return ~value
}

private let crcTable: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in
        value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1
    }
}
