/// A colour of a figure, sRGB.
package struct RGBColor: Sendable, Equatable {
    package var red: UInt8
    package var green: UInt8
    package var blue: UInt8

    package init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    package static let paper = RGBColor(255, 255, 255)
    package static let ink = RGBColor(24, 24, 32)
    /// Second in rank: notes and axes.
    package static let gray = RGBColor(104, 106, 116)
    package static let grid = RGBColor(222, 223, 228)
    package static let bar = RGBColor(52, 112, 158)

    /// Relative luminance, 0 to 1 (WCAG 2).
    package var luminance: Double {
        func linear(_ value: UInt8) -> Double { SRGB.linear(Double(value) / 255) }
        return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    /// Ink or paper, whichever has the higher contrast to this colour.
    package var readableInk: RGBColor {
        let (dark, light) = (Self.ink.luminance + 0.05, Self.paper.luminance + 0.05)
        let own = luminance + 0.05
        return own / dark > light / own ? .ink : .paper
    }

    /// - Parameter share: 0 is this colour, 1 the other
    package func mixed(with other: RGBColor, _ share: Double) -> RGBColor {
        func mix(_ a: UInt8, _ b: UInt8) -> UInt8 {
            UInt8((Double(a) + (Double(b) - Double(a)) * min(max(share, 0), 1)).rounded())
        }
        return RGBColor(mix(red, other.red), mix(green, other.green), mix(blue, other.blue))
    }
}
