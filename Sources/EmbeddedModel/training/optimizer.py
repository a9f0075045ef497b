"""Muon: momentum whose update is made orthogonal, for matrices (Jordan et al. 2024, kellerjordan.github.io/posts/muon)."""
import torch

# Five steps of a quintic iteration with these coefficients bring all singular values near 1.
STEPS, COEFFICIENTS = 5, (3.4445, -4.7750, 2.0315)


def orthogonalized(matrices):
    """[N, rows, columns] to the nearest matrices with orthonormal rows or columns, roughly; in bfloat16 on a GPU."""
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon:
    """All matrices of one size are updated at once."""

    def __init__(self, parameters, rate, decay=0.02, momentum=0.95):
        self.rate, self.decay, self.momentum = rate, decay, momentum
        groups = {}
        for parameter in parameters:
            groups.setdefault(tuple(parameter.shape), []).append(parameter)
        self.groups = [(members, torch.zeros(len(members), *size, device=members[0].device))
                       for size, members in groups.items()]

    @torch.no_grad()
    def step(self, scale):
        """`scale`: what the schedule makes of the rate."""
        rate = self.rate * scale
        for members, buffer in self.groups:
            if members[0].grad is None:
                continue
            gradient = torch.stack([member.grad for member in members])
            buffer.mul_(self.momentum).add_(gradient)
            update = orthogonalized(gradient + self.momentum * buffer).float()
            step = rate * max(1, update.shape[1] / update.shape[2]) ** 0.5
            torch._foreach_mul_(members, 1 - rate * self.decay)
            torch._foreach_add_(members, list(update.unbind(0)), alpha=-step)
