package import Jobs

/// What one `enqueue` call found, one after the other. A wrong line is told and the others go on.
package struct EnqueueEntries {
    package enum Entry: Sendable {
        case item(EnqueueItem)
        /// A line of a manifest that gives no job, and why.
        case badLine(JobFileError)
        /// Something that a person should know.
        case note(String)
    }

    enum Place {
        case lines(InputLines, Manifest)
        case folder(String)
        case file(String)
    }

    private enum Open {
        case lines(InputLines, Manifest)
        case walk(DirectoryWalk)
    }

    private let questions: [JobFile.Question]
    private let search: VideoSearch
    private let needsItems: Bool
    private var places: ArraySlice<Place>
    private var open: Open?
    private var pending: ArraySlice<Entry>
    private var customIDs = CustomIDRegister()
    /// Files that were given, where one may be given twice.
    private var seen: Set<PathKey>?
    private var hasItems = false

    init(
        places: [Place], questions: [JobFile.Question], search: VideoSearch, notes: [String],
        needsItems: Bool
    ) {
        self.places = places[...]
        self.questions = questions
        self.search = search
        self.needsItems = needsItems
        pending = notes.map(Entry.note)[...]
        let named = places.filter { if case .lines = $0 { false } else { true } }
        if named.count > 1 { seen = [] }
    }

    /// `nil` at the end.
    ///
    /// - Throws: `EnqueueError` when there was nothing at all; `JobFileError` when a file cannot be
    ///   read on
    package mutating func next() throws -> Entry? {
        while true {
            if let entry = pending.popFirst() {
                if case .item = entry { hasItems = true }
                return entry
            }
            if try advance() { continue }
            guard let place = places.popFirst() else {
                if !hasItems, needsItems {
                    throw EnqueueError("nothing to enqueue: no video was named or found")
                }
                return nil
            }
            switch place {
            case .lines(let lines, let manifest): open = .lines(lines, manifest)
            case .folder(let path): open = .walk(try DirectoryWalk(path, search))
            case .file(let path): ask(path)
            }
        }
    }

    /// Takes the next entries out of what is open.
    ///
    /// - Returns: `false` when nothing is open any more
    private mutating func advance() throws -> Bool {
        switch open {
        case nil: return false
        case .walk(var walk):
            // Not held twice, which would copy the names at every step.
            open = nil
            let entry = walk.next()
            if entry != nil { open = .walk(walk) }
            switch entry {
            case .video(let path): ask(path)
            case .note(let text): pending.append(.note(text))
            case nil: return false
            }
        case .lines(let lines, let manifest):
            guard let line = try lines.next() else {
                open = nil
                return false
            }
            do throws(JobFileError) {
                for item in try items(line, manifest) { pending.append(.item(item)) }
            } catch {
                pending.append(.badLine(error))
            }
        }
        return true
    }

    private mutating func ask(_ path: String) {
        if seen != nil, seen?.insert(PathKey(path)).inserted == false { return }
        for question in questions {
            pending.append(.item(EnqueueItem(path: path, question)))
        }
    }

    private mutating func items(
        _ line: InputLines.Line, _ manifest: Manifest
    ) throws(JobFileError) -> [EnqueueItem] {
        guard let text = line.text else {
            throw JobFileError(manifest.name, line.number, line.problem)
        }
        let items = try manifest.items(text, number: line.number)
        // An id that one of the batch's questions brings belongs to all lines.
        guard text.utf8.first == UInt8(ascii: "{"), let id = items.first?.customID,
            !questions.contains(where: { $0.id == id })
        else { return items }
        if let first = customIDs.insert(id, source: manifest.name, line: line.number) {
            throw JobFileError(
                manifest.name, line.number,
                "`custom_id` \(Printable.line(String(id.prefix(80)))) stands in line \(first) already"
            )
        }
        return items
    }
}

/// The custom ids of one call and the lines where they stand: twelve bytes each.
struct CustomIDRegister {
    /// By a hash with the process's own random seed: two different ids share one among 10^6 with a
    /// chance of 3e-8.
    private var lines: [Int: UInt32] = [:]
    /// Where the lines of a source begin to count.
    private var sources: [(name: String, start: UInt32)] = []
    private var last: UInt32 = 0

    /// - Returns: where the id stood before, such as `12` or `12 of other.jsonl`; `nil` when it is new
    mutating func insert(_ id: String, source: String, line: Int) -> String? {
        if sources.last?.name != source { sources.append((source, last)) }
        let start = sources.last?.start ?? 0
        last = start &+ UInt32(truncatingIfNeeded: line)
        var hasher = Hasher()
        for byte in id.utf8 { hasher.combine(byte) }
        let key = hasher.finalize()
        guard let place = lines[key] else {
            lines[key] = last
            return nil
        }
        guard let first = sources.last(where: { $0.start < place }) else { return "\(place)" }
        return "\(place - first.start)" + (first.name == source ? "" : " of \(first.name)")
    }
}
