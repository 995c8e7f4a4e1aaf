"""Joint time-frequency scattering as a module."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from .filters import filterbank, gaussian, morlet, padded_channels, time_padding
from .paths import (
    channel_operator,
    frequential_bank,
    frequential_responses,
    path_table,
)


class TimeFrequencyScattering(nn.Module):
    def __init__(self, samples, *, J, Q, J_fr, Q_fr=1, T="global", F=0, pad_mode="reflect"):
        super().__init__()
        self.samples, self.J, self.Q, self.J_fr, self.Q_fr = samples, J, Q, J_fr, Q_fr
        self.T, self.F, self.pad_mode = T, F, pad_mode
        width = 2**J if T == "global" else T
        self.padded, self.left = time_padding(samples, width)
        self.log2_T = math.inf if T == "global" else int(math.log2(T))
        psi1, psi2 = filterbank(J, Q[0]), filterbank(J, Q[1])
        psi_fr = frequential_bank(J_fr, Q_fr)
        effective = 2**J_fr if F in (0, "global") else F
        self.padded_fr = padded_channels(J, Q[0], J_fr, effective)
        impulses = frequential_responses(self.padded_fr, psi_fr, J_fr)

        self._phi = None
        if T != "global":
            self._constant("phi", gaussian(self.padded, T))
        # first order: groups of equal rate
        self.rates1 = [int(min(w.j, self.log2_T)) for w in psi1]
        self.groups = []
        for k in sorted(set(self.rates1)):
            members = [i for i, r in enumerate(self.rates1) if r == k]
            full = np.stack([morlet(self.padded, psi1[i].xi, psi1[i].sigma) for i in members])
            self._band(f"psi1_{k}", full, k)
            self.groups.append((k, len(members)))
        up = [i for i, w in enumerate(psi_fr) if w.xi >= 0]
        operators = [(-1, channel_operator(len(psi1), psi_fr, impulses, F, up))]
        self.second = []
        for n2, w in enumerate(psi2):
            channels = sum(v.j < w.j for v in psi1)
            if not channels:
                continue
            k = int(min(w.j, self.log2_T))
            self._band(f"psi2_{n2}", morlet(self.padded, w.xi, w.sigma), k)
            operators.append(
                (n2, channel_operator(channels, psi_fr, impulses, F, range(len(psi_fr))))
            )
            self.second.append((n2, k, channels))
        keys = [np.array([[-1, -1, -1]])]
        for n2, op in operators:
            self._constant(f"convolve_{n2}", np.stack([op.convolve.real, op.convolve.imag], -1))
            if op.average is not None:
                self._constant(f"average_{n2}", op.average)
            keys.append(np.stack([op.n1, np.full(len(op.n1), n2), op.n_fr], 1))
        keys = np.concatenate(keys)
        order = (keys[:, 2] >= 0).astype(int) + (keys[:, 1] >= 0)
        rank = np.lexsort((keys[:, 2], keys[:, 1], keys[:, 0], order))
        self.register_buffer("rank", torch.from_numpy(rank), persistent=False)
        self.paths = path_table(keys[rank], psi1, psi2, psi_fr)

    def _constant(self, name, array):
        self.register_buffer(name, torch.from_numpy(array.copy()), persistent=False)

    def _band(self, name, response, k):
        m = self.padded >> k
        self._constant(f"{name}_pos", response[..., :m])
        neg = response[..., -m:] if k else np.zeros_like(response)
        self._constant(f"{name}_neg", neg)

    def _get(self, name, like):
        value = getattr(self, name, None)
        return None if value is None else value.to(like.dtype)

    def _filter(self, hat, name, k, x):
        m = self.padded >> k
        scale = m / hat.shape[-1]
        pos, neg = self._get(name + "_pos", x), self._get(name + "_neg", x)
        return scale * (hat[..., :m] * pos + hat[..., -m:] * neg)

    def _cut(self, u, k):
        start, stop = -(-self.left >> k), -(-(self.left + self.samples) >> k)
        return u[..., start:stop]

    def _average_time(self, u, k):
        """(…, M at rate k) -> (…, frames)."""
        if self.T == "global":
            return self._cut(u, k).mean(-1, keepdim=True)
        hat = torch.fft.fft(u)
        m = self.padded >> self.log2_T
        phi = self.phi.to(u.dtype)
        neg = phi[-m:] if self.log2_T else torch.zeros_like(phi)
        low = m / hat.shape[-1] * (hat[..., :m] * phi[:m] + hat[..., -m:] * neg)
        return self._cut(torch.fft.ifft(low).real, self.log2_T)

    def _channels(self, y, n2, k):
        h = torch.view_as_complex(self._get(f"convolve_{n2}", y.real))
        if not y.is_complex():
            y = y.to(h.dtype)
        u = (h @ y).abs()
        if k is not None:
            u = self._average_time(u, k)
        a = self._get(f"average_{n2}", u)
        return u if a is None else a @ u

    def forward(self, x):
        pad_right = self.padded - self.samples - self.left
        if self.pad_mode == "reflect":
            before = x[..., 1 : self.left + 1].flip(-1)
            after = x[..., self.samples - 1 - pad_right : self.samples - 1].flip(-1)
            padded = torch.cat([before, x, after], -1)
        else:
            padded = nn.functional.pad(x, (self.left, pad_right))
        hat = torch.fft.fft(padded)
        if self.T == "global":
            s0 = x.mean(-1, keepdim=True)
        else:
            s0 = self._average_time(padded, 0)
        u1, s1 = [], []
        for k, _ in self.groups:
            u = torch.fft.ifft(self._filter(hat.unsqueeze(-2), f"psi1_{k}", k, x)).abs()
            s1.append(self._average_time(u, k))
            u1.append(torch.fft.fft(u))
        out = [s0.unsqueeze(-2), self._channels(torch.cat(s1, -2), -1, None)]
        for n2, k, channels in self.second:
            y = []
            left = channels
            for (_, size), u in zip(self.groups, u1, strict=True):
                take = min(size, left)
                left -= take
                if take:
                    y.append(self._filter(u[..., :take, :], f"psi2_{n2}", k, x))
            y = torch.fft.ifft(torch.cat(y, -2))
            if self.T == "global":
                pass
            out.append(self._channels(y, n2, k))
        return torch.cat(out, -2).index_select(-2, self.rank)
