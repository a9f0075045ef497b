/// A place in a drawing: pixels, x to the right, y downwards.
package struct PlotPoint: Sendable, Equatable {
    package var x: Double
    package var y: Double

    package init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }
}

package struct PlotRect: Sendable, Equatable {
    package var x: Double
    package var y: Double
    package var width: Double
    package var height: Double

    package var right: Double { x + width }
    package var bottom: Double { y + height }

    package init(x: Double, y: Double, width: Double, height: Double) {
        (self.x, self.y, self.width, self.height) = (x, y, width, height)
    }

    package init(centre: PlotPoint, width: Double, height: Double) {
        self.init(
            x: centre.x - width / 2, y: centre.y - height / 2, width: width, height: height)
    }

    /// The area that two rectangles share; 0 where they only touch.
    package func overlap(_ other: PlotRect) -> Double {
        let wide = min(right, other.right) - max(x, other.x)
        let high = min(bottom, other.bottom) - max(y, other.y)
        return wide > 0 && high > 0 ? wide * high : 0
    }

    package func contains(_ other: PlotRect) -> Bool {
        other.x >= x && other.y >= y && other.right <= right && other.bottom <= bottom
    }

    /// The point of the rectangle that is nearest to another one.
    package func nearest(to point: PlotPoint) -> PlotPoint {
        PlotPoint(x: min(max(point.x, x), right), y: min(max(point.y, y), bottom))
    }
}
