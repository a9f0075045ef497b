import Plotting
import Testing
import VideoFrames

@testable import Runner

@Suite struct DrawingSheetTests {
    /// Frames that are sampled from a real clip and painted over, row k with the grey level 2 k.
    private static func frames(_ count: Int, side: Int) throws -> SampledFrames {
        var frames = try FrameSampler.sample(
            SamplingRequest(
                path: FrameSourceTests.clip, frames: count, side: side, resize: .swscale))
        for row in 0..<count {
            let bytes = side * side * 3
            frames.pixels.replaceSubrange(
                (row * bytes)..<((row + 1) * bytes),
                with: repeatElement(UInt8(2 * row % 250), count: bytes))
        }
        return frames
    }

    private static func draw(_ frames: SampledFrames) -> Canvas {
        ContactSheet.draw(frames, title: "clip.mp4", subtitle: "a subtitle")
    }

    @Test func `every frame stands in its place, eight in a line`() throws {
        let canvas = Self.draw(try Self.frames(19, side: 336))
        #expect(canvas.width == 8 * 180 - 12 + 48)
        #expect(canvas.height == 84 + 3 * 202 + 24)
        for row in 0..<19 {
            let (x, y) = (24 + row % 8 * 180, 84 + row / 8 * 202)
            let gray = RGBColor(UInt8(2 * row), UInt8(2 * row), UInt8(2 * row))
            for (dx, dy) in [(0, 0), (167, 0), (0, 167), (167, 167)] {
                #expect(canvas.pixel(x + dx, y + dy) == gray)
            }
            #expect(canvas.pixel(x + 168, y + 80) == .paper)
        }
        #expect(canvas.pixel(24 + 3 * 180 + 80, 84 + 2 * 202 + 80) == .paper)
    }

    @Test func `a frame that stands in for another is marked, and warnings are written`() throws {
        var frames = try Self.frames(3, side: 64)
        let plain = Self.draw(frames)
        #expect(plain.pixel(24 + 76, 84 + 10) != ContactSheet.substitute)
        frames.requestedIndex[1] += 1
        frames.warnings = ["1 frames could not be read"]
        let canvas = Self.draw(frames)
        #expect(canvas.height == plain.height + 20)
        #expect(canvas.pixel(24 + 76, 104) == ContactSheet.substitute)
        #expect(canvas.pixel(24, 104) != ContactSheet.substitute)
        let warned = (0..<20).contains { y in
            (24..<300).contains { canvas.pixel($0, 76 + y) == ContactSheet.substitute }
        }
        #expect(warned)
    }

    @Test func `of very many frames a part is drawn, and the sheet says so`() throws {
        let few = Self.draw(try Self.frames(256, side: 8))
        let many = Self.draw(try Self.frames(300, side: 8))
        #expect(few.width == 960)
        #expect(many.height == few.height + 20)
    }
}
