import TestSupport
import Testing

/// What libgomp itself says it goes by, for each time that it was loaded.
@Suite struct OpenMPWaitingTests {
    private func spins(_ changes: [String: String?]) throws -> [String] {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let environment =
            ["OMP_DISPLAY_ENV": "VERBOSE", "GOMP_SPINCOUNT": nil, "OMP_WAIT_POLICY": nil]
            .merging(changes) { $1 }
        let ending = try fixture.run(["--version"], environment: environment)
        #expect(ending.code == 0)
        return ending.errors.split(separator: "\n").filter { $0.contains("GOMP_SPINCOUNT") }
            .map { String($0.filter(\.isNumber)) }
    }

    @Test func `idle threads spin shortly even where libgomp was there before main`() throws {
        let found = try spins([:])
        guard let last = found.last else {
            print("not checked: this FFmpeg brings no libgomp, so that nothing is to be said again")
            return
        }
        #expect(last == "1000")
        #expect(found.count == 2, "once before, once anew")
    }

    @Test(arguments: [["GOMP_SPINCOUNT": "77"], ["OMP_WAIT_POLICY": "ACTIVE"]])
    func `what the user has set stays`(_ set: [String: String]) throws {
        let found = try spins(set.mapValues { $0 })
        #expect(found.count <= 1, "not started anew")
        #expect(!found.contains("1000"))
    }
}
