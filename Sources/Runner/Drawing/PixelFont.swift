/// A fixed-width bitmap font: five by seven pixels, two more rows below the base line.
enum PixelFont {
    static let width = 5
    /// Rows above the base line.
    static let ascent = 7
    static let height = 9
    /// From one character to the next.
    static let advance = 6

    /// Pixels of a character, `height` rows of `width`; a box for what the font does not have.
    static func isSet(_ character: Character, x: Int, y: Int) -> Bool {
        if character == " " { return false }
        guard let glyph = glyphs[character] else {
            return y < ascent && (x == 0 || x == width - 1 || y == 0 || y == ascent - 1)
        }
        return glyph[y * width + x]
    }

    static let glyphs: [Character: [Bool]] = parse(drawing)

    private static func parse(_ drawing: String) -> [Character: [Bool]] {
        let lines = drawing.split(separator: "\n").map(Array.init)
        var glyphs: [Character: [Bool]] = [:]
        for start in stride(from: 0, to: lines.count, by: height + 1) {
            for (column, character) in lines[start].enumerated() where column % advance == 0 {
                glyphs[character] = lines[(start + 1)..<(start + 1 + height)].flatMap { row in
                    row[column..<(column + width)].map { $0 == "#" }
                }
            }
        }
        return glyphs
    }
}
