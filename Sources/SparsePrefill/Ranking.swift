/// Orders that are the same on every machine.
enum Ranking {
    /// Indices by falling value; ties go to the lower index.
    static func descending(_ values: [Float]) -> [Int] {
        values.indices.sorted {
            values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1
        }
    }

    /// The `count` indices of largest value, ascending.
    static func top(_ count: Int, of values: [Float]) -> [Int] {
        descending(values).prefix(max(0, count)).sorted()
    }
}
