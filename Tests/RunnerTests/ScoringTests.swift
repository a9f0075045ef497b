import Testing

@testable import Runner

@Suite struct ScoringTests {
    private static let four = ["red", "green", "blue", "light blue"]

    @Test(arguments: [
        ("B", "B"), ("b", "B"), ("B.", "B"), ("(B)", "B"), ("B) green", "B"), ("b) green", "B"),
        ("The best answer is: C", "C"), ("The answer is (D).", "D"), ("Answer: B", "B"),
        ("green", "B"), ("Green.", "B"), ("light blue", "D"), ("I believe it is (C), the sky", "C"),
        ("It must be C.", "C"), ("The correct option is A", "A"), ("Option D", "D"),
        ("A green thing", "B"), ("The ring is green", "B"),
    ])
    func `the letter is found in what models write`(_ answer: String, _ letter: String) {
        #expect(
            Scoring.judge(answer, choices: Self.four, expected: nil).choice == letter)
    }

    @Test(arguments: ["", "E", "I cannot tell.", "red or green", "A picture of a house"])
    func `no letter is made up`(_ answer: String) {
        #expect(Scoring.judge(answer, choices: Self.four, expected: nil).choice == nil)
    }

    @Test func `an expected option may be named by its letter or by its text`() {
        for expected in ["B", "b", "(B)", "green", "GREEN"] {
            #expect(Scoring.judge("B.", choices: Self.four, expected: expected).correct == true)
            #expect(Scoring.judge("C", choices: Self.four, expected: expected).correct == false)
        }
        #expect(Scoring.judge("no idea", choices: Self.four, expected: "B").correct == false)
    }

    @Test func `options that are letters themselves are matched by their text`() {
        let verdict = Scoring.judge("B", choices: ["B", "A"], expected: "B")
        #expect(verdict == .init(choice: "A", correct: true))
    }

    @Test(arguments: [
        ("Yes", "yes"), (" bottom  left ", "bottom left"), ("Bottom-left.", "bottom left"),
        ("not moving!", "Not moving"), ("KOM", "kom"), ("don\u{2019}t", "don't"), ("2", "two"),
        ("There are 2.", "2"), ("Two", "2"), ("1.50", "1.5"), ("-3", "-3"),
    ])
    func `an exact answer matches whatever its case, spaces and punctuation`(
        _ answer: String, _ expected: String
    ) {
        #expect(Scoring.judge(answer, choices: nil, expected: expected).correct == true)
    }

    @Test(arguments: [
        ("Yes, it does", "yes"), ("left", "bottom left"), ("2 or 3", "2"), ("", "yes"), ("12", "2"),
        ("3", "-3"), ("22", "022"), ("1.5", "15"),
    ])
    func `another answer does not match`(_ answer: String, _ expected: String) {
        #expect(Scoring.judge(answer, choices: nil, expected: expected).correct == false)
    }

    @Test func `nothing is judged where nothing is expected`() {
        #expect(Scoring.judge("x", choices: nil, expected: nil) == .init(choice: nil, correct: nil))
    }
}
