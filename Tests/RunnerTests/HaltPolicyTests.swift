import Jobs
import Testing

@testable import Runner

@Suite struct HaltPolicyTests {
    @Test(arguments: [
        ("soon,fail=10%", HaltPolicy(when: .soon, what: .fail, limit: .share(0.1))),
        ("now,fail=3", HaltPolicy(when: .now, what: .fail, limit: .count(3))),
        ("soon,success=1", HaltPolicy(when: .soon, what: .success, limit: .count(1))),
        ("soon,done=100%", HaltPolicy(when: .soon, what: .done, limit: .share(1))),
    ])
    func `a policy is read as GNU parallel reads it`(_ text: String, _ policy: HaltPolicy) throws {
        #expect(try HaltPolicy(text) == policy)
    }

    @Test(arguments: [
        "", "soon", "fail=3", "later,fail=3", "soon,fails=3", "soon,fail=", "soon,fail=0",
        "soon,fail=0%", "soon,fail=101%", "soon,fail=-1", "soon,fail=+1", "soon,fail=1.5",
        "soon,fail=3,now", "soon,fail=3 ", "soon,fail=%", "soon,fail=99999999999999999999",
        "soon,fail=٣",
    ])
    func `anything else is refused`(_ text: String) {
        let error = #expect(throws: QueueError.self) { _ = try HaltPolicy(text) }
        #expect(error?.kind == .invalid)
    }

    @Test func `a share counts from the third job that ended`() throws {
        let policy = try HaltPolicy("soon,fail=50%")
        #expect(!policy.isReached(failed: 0, succeeded: 0))
        #expect(!policy.isReached(failed: 2, succeeded: 0))
        #expect(policy.isReached(failed: 2, succeeded: 1))
        #expect(!policy.isReached(failed: 2, succeeded: 3))
        #expect(policy.isReached(failed: 3, succeeded: 3))
        #expect(!(try HaltPolicy("soon,fail=2")).isReached(failed: 1, succeeded: 90))
        #expect(try HaltPolicy("soon,success=2").isReached(failed: 0, succeeded: 2))
        #expect(try HaltPolicy("soon,done=2").isReached(failed: 1, succeeded: 1))
    }
}
