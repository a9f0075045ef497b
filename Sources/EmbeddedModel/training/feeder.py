"""Worker processes that make batches ahead of training. What is in a batch depends on its number alone, so that one GPU
that accumulates four batches a step and four GPUs take the same steps."""
import multiprocessing
import random
import signal

from batches import clip_batch, frame_batch


def frames_at(number, total, phase):
    """Frames a clip of batch `number` of `total`; 0: single frames without questions."""
    progress = number / total
    mix = next(mix for until, mix in phase["curriculum"] if progress < until or until == 1)
    lengths = sorted(mix, key=int)
    return int(random.Random(f"length/{number}").choices(lengths, [mix[length] for length in lengths])[0])


def make(number, total, phase, seed, tokens_a_frame):
    """(frames, arrays) of one batch."""
    frames = frames_at(number, total, phase)
    budget = phase["frames_a_batch"]
    if frames == 0:
        return 0, frame_batch(f"{seed}/{number}", budget)
    return frames, clip_batch(f"{seed}/{number}", frames, max(1, budget // frames), tokens_a_frame, phase["letters"])


def work(connection, numbers, arguments):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for number in numbers:
            connection.send(make(number, *arguments))
    except (BrokenPipeError, ConnectionResetError):     # training has ended before
        pass


class Feeder:
    """Iterates over the batches `numbers` of `total`, a range; the workers take turns."""

    def __init__(self, numbers, total, phase, seed, tokens_a_frame, workers):
        context = multiprocessing.get_context("fork")
        self.numbers, self.connections, self.processes = numbers, [], []
        for worker in range(workers):
            mine, theirs = context.Pipe(duplex=False)
            own = numbers[worker::workers]
            process = context.Process(target=work, args=(theirs, own, (total, phase, seed, tokens_a_frame)), daemon=True)
            process.start()
            theirs.close()
            self.connections.append(mine)
            self.processes.append(process)

    def __iter__(self):
        for place in range(len(self.numbers)):
            yield self.connections[place % len(self.connections)].recv()

    def close(self):
        for connection in self.connections:
            connection.close()
        for process in self.processes:
            process.terminate()
            process.join()
