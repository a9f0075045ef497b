import Foundation
import Testing

@Suite struct UsageTests {
    @Test(arguments: [
        ["--nope"], ["list", "--nope"], ["enqueue", "--frames", "many", "x"], ["nonsense"],
        ["enqueue"], ["retry"], ["cancel"], ["show"], ["show", "a-b"], ["show", "9-3"],
        ["list", "--state", "lost"], ["work", "--max-jobs", "0"], ["work", "--device", "tpu"],
        ["work", "--until", "25:00"], ["work", "--grace", "10"], ["ask", "v.mp4"],
        ["ask", "v.mp4", "--question", "q", "--trace-full"], ["--quiet", "--verbose", "status"],
        ["enqueue", "--priority", "5000", "x"], ["--queue", "mysql://x/y", "status"],
        ["work", "--gpus", "0", "--device", "cpu"], ["work", "--gpus", "all", "--device", "auto"],
        ["work", "--gpus", "0,0"], ["work", "--gpus", "one"], ["work", "--gpus", ""],
        ["work", "--gpus", "-1"], ["enqueue", "--weights", "fp4", "x"],
        ["results", "--limit", "0"], ["export", "--format", "xml"], ["hold"], ["unhold"],
        ["prioritize", "5"], ["prioritize", "2000", "1"], ["prioritize", "high", "1"],
        ["prune"], ["prune", "--keep", "90"], ["prune", "--keep", "1d", "--states", "running"],
        ["move", "--from", "a.db"], ["move", "--from", "a.db", "--to", "a.db"],
        ["move", "--from", "a.db", "--to", "ftp://x"], ["launch"], ["launch", "cron"],
        ["launch", "slurm", "--workers", "0"], ["launch", "systemd", "--gpus-per-worker", "2"],
        ["launch", "slurm", "--workers", "2"], ["launch", "kubernetes"],
        ["launch", "slurm", "--at", "22:00"], ["launch", "systemd", "--at", "25:00"],
        ["work", "--halt", "later,fail=3"], ["work", "--halt", "soon,fail=0"],
        ["work", "--group", "0"], ["work", "--queues", "a,,b"], ["work", "--min-free", "12"],
        ["work", "--lease", "1s"], ["work", "--metrics-file", "no/such/folder/x.prom"],
        ["wait", "--timeout", "5"], ["logs"], ["follow", "1-3-5"], ["backup"],
        ["enqueue", "--shard", "3/2", "x"], ["enqueue", "--queue-name", "", "x"],
        ["enqueue", "--format", "csv", "x"], ["init", "--journal", "memory"], ["merge"],
    ])
    func `a usage error exits with 2 and says what is wrong`(_ arguments: [String]) throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let ending = try fixture.run(arguments)
        #expect(ending.code == 2, "\(ending.errors)")
        #expect(!ending.errors.isEmpty)
        #expect(ending.output.isEmpty)
    }

    @Test func `an unknown flag is named`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        #expect(try fixture.run(["work", "--dran"]).errors.contains("'--dran'"))
    }

    @Test func `the help of the program names every verb and exit code`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let ending = try fixture.run(["--help"])
        #expect(ending.code == 0)
        #expect(ending.output == Self.help + "\n")
    }

    @Test func `global options may stand before the verb and after it`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        for arguments in [["--queue", "x.db", "list"], ["list", "--queue", "x.db"]] {
            let ending = try fixture.run(arguments)
            #expect(ending.code == 69)
            #expect(ending.errors.contains("x.db: no such queue"))
        }
    }

    private static let help = """
        OVERVIEW: Answers questions about videos in batches, and records what each
        answer cost.

        A night in three lines:
          zipvl-batch enqueue /data/videos --question "What happens?"
          zipvl-batch work --drain --until 06:00
          zipvl-batch results

        Exit codes:
          0   done
          1   internal error
          2   usage
          3   finished, some jobs failed
          4   nothing to do (--fail-if-empty)
          5   stopped with work left
          6   stopped by --halt
          69  back end, PyTorch or GPU unavailable
          74  input/output error, disk full
          75  database locked
          76  database corrupt
          78  configuration: model, schema too new, network filesystem
          130, 143  ended by a second signal

        USAGE: zipvl-batch [--queue PATH|URL] [--json] [--quiet|--verbose] VERB

        GLOBAL OPTIONS:
          --queue <path|url>      The queue: a database file, sqlite://PATH, or
                                  postgresql://USER@HOST/DATABASE (default:
                                  ZIPVL_QUEUE, else zipvl.db).
          --json                  Print one JSON object a line.
          --quiet                 Print results and errors only.
          --verbose               Print more.

        OPTIONS:
          --version               Show the version.
          -h, --help              Show help information.

        SUBCOMMANDS:
          enqueue                 Put questions about videos into the queue.
          work                    Claim and answer jobs until told otherwise.
          run                     Enqueue and answer in one go: enqueue, then work
                                  --drain.
          ask                     Ask one question about one video, without a queue.
          status                  Show how many jobs of each batch are in which state,
                                  and who works on them.
          list                    List jobs.
          show                    Show all that is known of one job.
          follow                  Watch one job until it ends.
          logs                    Show what a worker wrote about an attempt at a job.
          results                 Show answers and what they saved.
          export                  Write answers for other programs.
          report                  Write what became of a batch into one HTML file.
          wait                    Return when no job can run any more.
          retry                   Put failed and cancelled jobs back into the queue.
          cancel                  Cancel jobs; running ones stop at their worker's next
                                  heartbeat.
          hold                    Keep queued jobs from being claimed, until `unhold`.
          unhold                  Let held jobs be claimed again.
          prioritize              Set the priority of jobs that have not begun; higher
                                  ones go first.
          pause                   Let nothing of a queue be claimed; running jobs go on.
          resume                  Let jobs of a paused queue be claimed again.
          rescue                  Take back jobs of workers that died, as every worker
                                  does when it is idle.
          init                    Make the queue; `enqueue` makes one, too, when need
                                  be.
          migrate                 Bring the queue to this program's schema, an SQLite
                                  file after a backup.
          backup                  Write a consistent copy into a new file; workers may
                                  go on meanwhile.
          prune                   Delete jobs that ended long ago, with their answers.
          move                    Copy a whole queue into another, new one.
          merge                   Take the jobs and answers of other queues into this
                                  one.
          metrics                 Print the queue's figures in Prometheus' text format.
          launch                  Print a script, manifest or units that start workers;
                                  nothing is started.
          eval                    Compare methods on questions with known answers, on
                                  the same frames.
          niah                    Look for needles in a visual haystack: accuracy by
                                  length and depth.
          inspect                 Show what the sampler sees of a video, or which
                                  tokens each layer kept.
          minference-search       Find a pattern for each head of a model, for
                                  --minference-config.
          doctor                  Look at all that a run needs; exit 1 when something
                                  would fail.
          demo                    Run the whole path on the bundled videos and the
                                  embedded model.

          See 'zipvl-batch help <subcommand>' for detailed help.
        """
}
