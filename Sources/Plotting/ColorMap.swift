import FoundationEssentials
import Glibc

/// Colours for numbers from 0 to 1: dark violet over teal to pale yellow, even steps of lightness, so
/// that it also reads in grey and with any colour vision.
package enum ColorMap {
    /// - Parameter value: 0 to 1; what lies outside takes the nearer end
    package static func color(_ value: Double) -> RGBColor {
        guard value.isFinite else { return .gray }
        return table[Int((min(max(value, 0), 1) * Double(table.count - 1)).rounded())]
    }

    /// Lightness, and chroma and hue as the two axes of OKLab.
    private static let stops = [
        OKLab(lightness: 0.27, chroma: 0.11, degrees: 295),
        OKLab(lightness: 0.61, chroma: 0.11, degrees: 200),
        OKLab(lightness: 0.95, chroma: 0.13, degrees: 105),
    ]

    private static let table: [RGBColor] = (0..<256).map { index in
        let place = Double(index) / 255 * Double(stops.count - 1)
        let first = min(Int(place), stops.count - 2)
        return stops[first].mixed(with: stops[first + 1], place - Double(first)).color
    }
}

/// A colour by how it looks: equal distances look equally far (B. Ottosson, "A perceptual color space
/// for image processing", 2020; the matrices are those of that page).
package struct OKLab {
    /// 0 black, 1 white.
    package var lightness: Double
    package var a: Double
    package var b: Double

    package init(lightness: Double, a: Double, b: Double) {
        (self.lightness, self.a, self.b) = (lightness, a, b)
    }

    package init(lightness: Double, chroma: Double, degrees: Double) {
        let angle = degrees * .pi / 180
        self.init(lightness: lightness, a: chroma * cos(angle), b: chroma * sin(angle))
    }

    package func mixed(with other: OKLab, _ share: Double) -> OKLab {
        OKLab(
            lightness: lightness + (other.lightness - lightness) * share,
            a: a + (other.a - a) * share, b: b + (other.b - b) * share)
    }

    /// The nearest sRGB colour, channel by channel.
    package var color: RGBColor {
        func cube(_ value: Double) -> Double { value * value * value }
        let l = cube(lightness + 0.3963377774 * a + 0.2158037573 * b)
        let m = cube(lightness - 0.1055613458 * a - 0.0638541728 * b)
        let s = cube(lightness - 0.0894841775 * a - 1.2914855480 * b)
        return RGBColor(
            SRGB.byte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
            SRGB.byte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
            SRGB.byte(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s))
    }
}

/// The transfer function of sRGB (IEC 61966-2-1).
package enum SRGB {
    package static func linear(_ value: Double) -> Double {
        value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
    }

    package static func byte(_ linear: Double) -> UInt8 {
        let value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055
        return UInt8((min(max(value, 0), 1) * 255).rounded())
    }
}
