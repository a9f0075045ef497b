@testable import Jobs

/// Sequences in which something happens: few videos and questions, so that jobs are companions and
/// twins; few workers, so that tokens get stale.
extension ModelOperation {
    static func sequence(seed: UInt64) -> [ModelOperation] {
        var random = ModelRandom(seed: seed)
        var operations = [
            ModelOperation.enqueue(batch: 0, items(random.number(2..<8), &random)),
            .register(isFar: false),
            .register(isFar: true),
        ]
        for _ in 0..<random.number(10..<50) { operations.append(any(&random)) }
        return operations
    }

    private static func any(_ random: inout ModelRandom) -> ModelOperation {
        let worker = random.number(0..<4)
        // Mostly a late claim, for that one is live.
        let claim = random.chance(70) ? -1 - random.number(0..<4) : random.number(0..<20)
        switch random.number(0..<100) {
        case 0..<7:
            return .enqueue(batch: random.number(0..<3), items(random.number(0..<6), &random))
        case 7..<12: return .register(isFar: random.chance(40))
        case 12: return .unregister(worker)
        case 13..<32:
            return .claim(
                worker: worker, limit: random.one(of: [1, 1, 2, 3, 5, 0]),
                queues: random.one(of: [[], [], [0], [1], [0, 1], [2]]),
                model: random.one(of: [nil, nil, nil, 0, 1, 2]))
        case 32..<37: return .start(claim)
        case 37..<43:
            return .heartbeat(
                worker: worker, claims: (0..<random.number(0..<4)).map { claim - $0 },
                progress: random.one(of: [nil, 0.25, 1, 2, -1]),
                stage: random.one(of: [nil, "decode", "prefill"]))
        case 43..<52: return .complete(claim, milliseconds: random.number(1..<5000) * 997)
        case 52..<59:
            return .fail(
                claim, random.one(of: ErrorClass.allCases),
                after: random.one(of: [nil, 0, 1000, 30_000]))
        case 59..<63: return .release(claim)
        case 63: return .noteLog(claim)
        case 64..<78:
            let change = random.one(of: [
                Change.cancel, .cancel, .retry, .retry, .hold, .unhold,
                .prioritize(random.one(of: [-1000, -1, 0, 1, 1000, 1001])),
            ])
            return .change(change, selection(&random))
        case 78: return .pause(random.number(0..<3))
        case 79..<81: return .resume(random.number(0..<3))
        case 81: return .limit(queue: random.number(0..<2), random.one(of: [nil, nil, 1, 2, 3]))
        case 82..<87: return .advance(random.one(of: [1, 500, 15_000, 60_000, 60_001, 500_000]))
        case 87..<90: return .die(worker)
        case 90..<94: return .rescue
        case 94..<97: return .readmit(claim, isStray: random.chance(40))
        case 97..<99:
            return .prune(
                age: random.one(of: [0, 1000, 60_000]),
                states: random.one(of: [
                    [.succeeded, .failed, .cancelled], [.failed], JobState.allCases, [],
                ]),
                batch: random.one(of: [nil, nil, 0]), isDry: random.chance(30))
        default: return .maintain
        }
    }

    private static func items(_ count: Int, _ random: inout ModelRandom) -> [Item] {
        (0..<count).map { _ in
            Item(
                video: random.number(0..<3), copy: random.chance(20) ? 1 : 0,
                question: random.number(0..<4), config: random.chance(25) ? 1 : 0,
                queue: random.chance(25) ? 1 : 0,
                priority: random.one(of: [0, 0, 0, 0, 5, -5, 1000]),
                delay: random.one(of: [nil, nil, nil, -1000, 0, 1000, 60_000]),
                isHeld: random.chance(10), isBad: random.chance(5),
                maxAttempts: random.number(1..<4), maxCrashes: random.number(1..<4))
        }
    }

    private static func selection(_ random: inout ModelRandom) -> Selection {
        var selection = Selection()
        if random.chance(60) {
            selection.jobs = (0..<random.number(1..<4)).map { _ in
                let first = random.number(0..<12)
                return random.chance(70) ? [first] : [first, first + random.number(0..<5)]
            }
        }
        if random.chance(20) { selection.batch = random.number(0..<3) }
        if random.chance(20) {
            selection.states = (0..<random.number(1..<4)).map { _ in
                random.one(of: JobState.allCases)
            }
        }
        if random.chance(10) {
            selection.errorClasses = (0..<random.number(1..<3)).map { _ in
                random.one(of: ErrorClass.allCases)
            }
        }
        if random.chance(10) { selection.customID = random.number(0..<4) }
        if random.chance(10) { selection.model = random.number(0..<3) }
        return selection
    }
}
