"""The forms for comparing npnet.tensors with torch: lines of code with tensors of fixed names.

x, y: tensors of one shape; row: a vector as long as the last axis; s: no axes; p: positive; M, N:
matrices that can be multiplied; c: three axes; q: a vector of 4; i: integers; k, k2: row numbers,
with repeats; t: a class for each row; b, br: bools; z: one row number, without axes; h: row numbers
in the shape of x; f: float32 in the shape of x.
"""

from __future__ import annotations

from typing import Final

ARITHMETIC = """
x + y|x - y|x * y|x / y|x + row|row * x|x - row|row / x|x + s|s * x|x / s|x + 1|1 + x|x - 2|2 - x
x * 0.1|0.1 * x|x / 3|x / 0.3|1 / p|2.5 / p|1.0 - x**2|-x|+x|abs(x)|x ** 2|x ** 3|p ** -1|p ** -0.5
p ** 0.5|p ** -2|p ** 1.5|x ** 0|x ** 1|p ** y|2 ** x|2.0 ** y|x % 3|x // 2|x % y|x // y|x + i|i * x
i + 1|i * 2.5|i / 2|i // 2|i % 3|i ** 2|i + i|x + True|x * b|b * 2|b + b|x + f|f * x|s + f|s * i
torch.add(x, y)|torch.add(x, y, alpha=2)|torch.sub(x, y, alpha=0.5)|torch.mul(x, 3)|torch.div(x, 2)
x.add(y)|x.sub(y)|x.mul(y)|x.div(p)|x.pow(2)|torch.pow(x, 3)|torch.pow(2, x)|x.neg()|torch.neg(x)
x.fmod(2)|x.remainder(2)|torch.div(x, 2, rounding_mode='floor')
torch.div(x, 2, rounding_mode='trunc')|torch.true_divide(x, y)|torch.floor_divide(x, 2)
x + np.float64(2)|x * np.float32(0.1)|x + np.int64(3)|torch.lerp(x, y, 0.3)|torch.lerp(x, y, 0.7)
x.lerp(y, p)|x.lerp(f, 0.5)|x.lerp(row, 0.5)|x.addcmul(y, s)|x.addcmul(i, i, value=3)
torch.addcmul(x, y, y, value=2)|torch.addcdiv(x, y, p)|x.addcdiv(row, p, value=0.5)
x.addcdiv(i, i)|1 % p|7 // p|x + None|x * 'a'
x + torch.ones(7, 7)|x.double() + f|s.double() * f|x.half().float()
"""

FUNCTIONS = """
x.exp()|torch.exp(x)|p.log()|torch.log(x)|p.log10()|p.log2()|p.log1p()|x.expm1()|p.sqrt()
torch.sqrt(x)|p.rsqrt()|p.reciprocal()|x.square()|x.sin()|x.cos()|x.tan()|x.sinh()|x.cosh()|x.tanh()
torch.tanh(x)|(p / 3).asin()|(p / 3).acos()|x.atan()|x.asinh()|(p + 1).acosh()|(p / 3).atanh()
x.sigmoid()|x.erf()|x.floor()|x.ceil()|x.round()|x.trunc()|x.sign()|x.frac()|x.abs()|x.relu()
torch.relu(x)|x.clamp(-0.5, 0.5)|x.clamp(min=0)|x.clamp(max=0.3)|torch.clamp(x, 0, 1)|x.clamp_min(0)
x.clamp()|torch.maximum(x, y)|torch.minimum(x, y)|torch.max(x, y)|torch.min(x, y)
torch.where(b, x, y)|torch.where(x > 0, x, 0)|torch.where(b, 1.0, y)|x.where(b, y)
x.masked_fill(b, 2)|x.masked_fill(b, s)|torch.atan2(x, y)|x.round(decimals=1)|i.exp()|i.sqrt()
i.abs()|i.sigmoid()|b.exp()|torch.sin('a')|i.tanh()|F.relu(x)|F.gelu(x)|F.silu(x)|F.sigmoid(x)
F.tanh(x)|F.softplus(x)|F.leaky_relu(x)|F.elu(x)|F.logsigmoid(x)
"""

COMPARISONS = """
x == y|x != y|x < y|x <= row|x > 0|x >= s|x == None|x != None|x == 1|i == i|i > 0.5|b == True|b & b
b | b|b ^ b|~b|~i|~x|i & 1|x & y|(x > 0) & (y > 0)|torch.eq(x, y)|x.ne(y)|torch.not_equal(x, y)
torch.equal(x, x)|torch.equal(x, y)|torch.allclose(x, y)|torch.allclose(x, x)
torch.allclose(x, None)|torch.allclose(x, f)|torch.all(x == y)|torch.all(True)|torch.any(x > 0)
x.all()|x.any()|b.all(0)|b.any(-1)|b.all(0, keepdim=True)|torch.isnan(x)|torch.isinf(x)
torch.isfinite(x)|torch.isclose(x, y)|torch.logical_and(x, y)|b.logical_not()|torch.logical_or(b, b)
torch.logical_xor(b, b)|x == 'a'|bool(x)|bool(s)|float(s)|int(z)|x.isnan().any()|1 in x
(x == y).sum()|(x == y).float().mean()|(x > 0).sum().item()|x < None
"""

REDUCTIONS = """
x.sum()|torch.sum(x)|x.sum(0)|x.sum(dim=-1)|x.sum(0, keepdim=True)|x.sum(1, keepdims=True)
x.sum(axis=0)|x.sum((0, 1))|x.sum(dim=(0, -1), keepdim=True)|x.sum(0, True)|x.sum([0])|x.sum(5)
x.sum(-3)|i.sum()|b.sum(0)|x.sum(dtype=torch.float64)|x.mean()|x.mean(0)|x.mean(-1, keepdim=True)
x.mean((0, 1))|i.mean()|x.mean(0, True)|1/3*x.sum(0)|x.var()|x.var(0)|x.var(0, keepdim=True)
x.var(0, keepdim=True, unbiased=True)|x.var(0, False)|x.var(1, unbiased=False)|x.var(unbiased=False)
x.var(dim=0, correction=0)|x.std()|x.std(0)|x.std(-1, keepdim=True)|torch.var(x, 0)
torch.std(x, 0, True)|torch.var_mean(x, 0)|x.var(False)|x.std(0, keepdim=True, unbiased=False)
x.max()|x.min()|x.max(0)|x.max(1, keepdim=True)|x.max(1, keepdim=True).values|x.max(-1).indices
x.min(0)|torch.max(x, 0)|torch.max(x, dim=1, keepdim=True)|x.max(dim=0).values
x.min(-1, keepdim=True).indices|x.max(1, True)|v, n = x.max(0)|x.max(axis=0)|x.amax()|x.amax(0)
x.amax(1, keepdim=True)|x.amin(0)|x.amax((0, 1))|x.argmax()|x.argmax(0)|x.argmax(-1, keepdim=True)
x.argmin()|x.argmin(dim=0)|torch.argmax(x, dim=-1)|x.prod()|x.prod(0)|x.prod(1, keepdim=True)
x.cumsum(0)|x.cumsum(-1)|i.cumsum(0)|x.logsumexp(0)|torch.logsumexp(x, 1)
torch.logsumexp(x, 1, keepdim=True)|x.norm()|x.norm(dim=0)|x.norm(p=1)|torch.norm(x)|x.median()
x.median(0)|x.sort().values|x.sort(dim=0, stable=True)|x.sort(dim=-1, descending=True, stable=True)
x.argsort(stable=True)|x.topk(1).values|x.detach().topk(2, dim=0).values|i.unique()
x.count_nonzero()|torch.sum(x, 1)|torch.mean(x, dim=0, keepdim=True)|sum(x)|max(x)|i.max()
i.float().mean()|b.float().mean(0)|x.nonzero()|i.nonzero()|torch.nonzero(b)|t.bincount()
x.abs().max()|(x - y).abs().max().item()|x.numel()|x.nelement()|x.min()|torch.argmin(x)|x.argmax(5)
"""

SHAPES = """
x.view(-1)|x.view(x.shape)|x.view(x.shape[0], -1)|x.view(-1, 1)|x.view([1, -1])|x.view(7, 9)
x.view(2, -1)|x.reshape(-1)|x.reshape(x.numel(), 1)|torch.reshape(x, (-1,))|x.T.reshape(-1)
x.T.view(-1)|x.view_as(y)|x.flatten()|torch.flatten(x)|x.flatten(1)|c.flatten(1)|c.flatten(0, 1)
x.ravel()|x.squeeze()|x.squeeze(0)|x.squeeze(-1)|x.unsqueeze(0)|x.unsqueeze(-1)|x.unsqueeze(1)
torch.unsqueeze(x, 0)|x.unsqueeze(9)|x.T|x.t()|M.T|M.t()|M.mT|x.transpose(0, 1)
torch.transpose(x, 0, -1)|x.permute(1, 0)|c.permute(2, 0, 1)|c.transpose(1, 2)|x.expand(2, *x.shape)
row.expand(x.shape)|s.expand(3)|M[:1].expand(5, 4)|M[:1].expand(5, -1)|x.expand_as(y)|M.expand(7, 9)
torch.broadcast_to(row, x.shape)|x.repeat(2, 1)|x.repeat(1, 2)|x.repeat(2, 1, 1)|q.repeat(3, 1)
x.tile(2)|x.repeat_interleave(2)|x.repeat_interleave(2, dim=0)|x.flip(0)|torch.flip(x, dims=(0,))
x.roll(1, 0)|x.tril()|x.triu(1)|torch.tril(M)|torch.diag(q)|torch.diag(M)|M.diagonal()|x.diag()
torch.cat([x, y])|torch.cat([x, y], 1)|torch.cat([x, y], dim=-1)|torch.stack([x, y])
torch.stack([x, y], dim=1)|torch.stack([x, y], -1)|torch.cat([])|torch.cat([x, i])|torch.cat([M, q])
torch.hstack([x, y])|torch.vstack([x, y])|torch.unbind(x)|x.unbind(-1)|x.split(1)|x.split(2, dim=-1)
x.chunk(2)|torch.chunk(x, 2, dim=-1)|x.split([1, 2])|x.narrow(0, 0, 1)|x.select(0, 0)
x.movedim(0, -1)|x.shape|x.size()|x.size(0)|x.size(-1)|x.dim()|x.ndim|len(x)|x.shape[0]|x.stride()
x.is_contiguous()|x.T.is_contiguous()|x.contiguous()|x.T.contiguous()|x.dtype|x.element_size()
x.clone()|x.detach()|x.data|x.float()|x.double()|x.long()|x.int()|x.bool()|x.to(torch.float64)
x.to('cpu')|x.to(torch.int64)|x.type_as(i)|x.type()|x.float().dtype|b.float()|b.long()|i.float()
x.item()|s.item()|x.tolist()|x.detach().numpy().sum()|list(x)|[v.sum() for v in x]|x.swapaxes(0, 1)
x.requires_grad|x.is_leaf|x.detach().requires_grad|torch.zeros_like(x)|torch.ones_like(x)
torch.full_like(x, 2)|x.new_zeros(2, 3)|x.new_ones((2,))|torch.meshgrid(q, q, indexing='ij')
torch.broadcast_tensors(x, row)|x.mT
"""

INDEXING = """
x[0]|x[-1]|x[9]|x[0, 0]|x[0][0]|x[:]|x[1:]|x[:2]|x[::2]|x[:, 0]|x[:, 1:3]|x[..., 0]|x[None]
x[:, None]|x[0, :]|x[-1, -1]|x[0, 1:]|x[k]|x[k2]|x[k, 0]|x[k, t[:6]]|x[k, k]|x[:, k]|x[b]|x[br]
x[br, 0]|x[~b]|x[x > 0]|x[z]|x[z, 0]|x[z, z]|x[z, :]|x[[0]]|x[[0, 0]]|x[range(len(t)), t]
x[torch.arange(len(t)), t]|x[list(range(len(t))), t]|x[range(len(t)), t].mean()|c[:, 0, k % 4]
c[0, :, k % 4]|c[k % 2, :, k % 4]|c[..., -1]|c[z % 2]|c[:, None, 0]|c[1, None]|M[k2 % 3]
M[(k % 3).view(-1, 1), 0]|x['a']|x[1.5]|x[0.0]|x[t.float()]|x[:, 5, 5, 5]|x[::-1]
x[torch.tensor([0])]|x[torch.tensor(0)]|x[k[:0]]|x.gather(0, h)|x.gather(-1, i)
torch.gather(x, 0, h)|x.gather(1, t.view(-1, 1))|x.gather(0, t)
x.gather(1, torch.zeros(9, 1).long())|x.scatter(0, h, y[:1])
x.scatter(1, torch.zeros(9, 1).long(), 1.0)
x.index_select(0, k)|torch.index_select(x, -1, k)
x.masked_select(b)|x.take_along_dim(h, 0)|x[0] = 1|x[0] = x[-1]|x[:, 0] = 0|x[0, 0] = 5.5|x[k] = 0
x[b] = 0|x[b] = 2.5|x[range(len(t)), t] = -1.0|x[range(len(t)), t] -= 1|x[k] += 1|x[z] = 3|x[z] += 1
x[z] += y[0]|x[0] += y[0]|x[...] = y|x[:] = row|x[1:] = x[1:] * 2|x[None] = 1|x[9] = 1|x[0] = y
x[0] = torch.ones(7, 7)|x[0] = 'a'|x[k] = torch.ones(7, 7)|x[:, 1:] += 2|x[x > 0] = 0
x[x < 0] *= 0.1|x[z, z] = 4|x[:, t[0]] = 1|r = x[0]; r += 1|r = x[0]; r *= y[0]
r = x[:, 0]; r.zero_()|r = x.view(-1); r += 1|r = x.T; r *= 2|r = x.clone(); r += 1|r = x[k]; r += 1
r = x.detach(); r += 1|r = x.reshape(-1); r[0] = 9|r = y; r += x|r = x; r = r + 1
r = x.flatten(); r -= 1|r = x.unsqueeze(0); r.mul_(3)|r = x * 1; v = r[0]; r += y; w = v * 2
r = x * 1; v = r[0]; v *= 3; w = r * 2|r = torch.zeros_like(x); r[0] += y[0]; w = r * 2
r = torch.zeros_like(x); r[0] = y[0]; v = r[0]; v += x[0]
r = torch.zeros_like(x); r[z] += y[z]; r[z] += x[z]; w = r * r
r = x * 1; r[0] = r[0] * 2; w = r.exp()|r = x * 1; w = r.exp(); w += 1
r = x * 1; w = r.exp(); r += 1|r = x * 1; w = r * r; r += 1
"""

IN_PLACE = """
x += y|x -= y|x *= y|x /= p|x += 1|x -= 0.5|x *= 2|x /= 3|x **= 2|x += row|x += i|x += s|x += f
row += x|x %= 2|x //= 2|i += 1|i += 1.5|i += x|i *= 2|i /= 2|b += 1|b &= b|x.add_(y)
x.add_(y, alpha=2)|x.sub_(y)|x.mul_(2)|x.div_(p)|x.pow_(2)|x.exp_()|p.log_()|p.sqrt_()|x.tanh_()
x.sigmoid_()|x.relu_()|x.neg_()|x.abs_()|x.clamp_(-1, 1)|x.clamp_(min=0)|x.zero_()|x.fill_(3)
x.fill_(s)|x.copy_(y)|x.copy_(row)|x.copy_(i)|x.masked_fill_(b, 0)|x.index_add_(0, k, y[k])
x.index_add(0, k, y[k])|x.index_add_(0, k, y[k], alpha=2)|x.index_add_(0, k2, y)
x.index_add_(0, k, y)|x.index_add_(1, t[:0], y[:, :0])|torch.zeros_like(x).index_add_(0, k, y[k])
x.scatter_(0, h, 1.0)|x.scatter_(0, h, y)|x.scatter(0, h, y)|x.scatter_add_(0, h, y)
x.scatter_add(0, h, y)|torch.zeros_like(x).scatter_(1, t.view(-1, 1), 1)|x.index_fill_(0, k, 2)
x.index_put_((k,), y[k], accumulate=True)|x.detach_()|x.requires_grad_()|x.t_()|x.data += y
x.data = y|x.data.add_(1)|x.detach().mul_(2)|x.index_copy_(0, torch.arange(len(t)), y)|x += x|x *= x
x.lerp_(y, 0.3)|x.lerp_(y, p)|x.addcmul_(y, p, value=0.5)|x.addcdiv_(y, p)|x.addcmul_(row, s)
x.addcdiv_(x, p, value=2)|row.addcmul_(x, y)|x.lerp_(i, 0.3)|x.addcmul_(i, i)
x -= x.T|x.T.add_(1)|x.floor_()|x.round_()|x.sqrt_()|x.reciprocal_()
"""

LINEAR = """
M @ N|M.mm(N)|torch.mm(M, N)|torch.matmul(M, N)|M @ q|q @ N|q @ q|c @ N|c @ q|q @ c.transpose(1, 2)
c @ c.transpose(1, 2)|M @ M|M @ N.T|M.T @ M|torch.bmm(c, c.transpose(1, 2))|torch.mv(M, q)
torch.dot(q, q)|q.dot(q)|torch.outer(q, q)|M.matmul(N)|M @ 2|s @ s|M @ i
torch.einsum('ij,jk->ik', M, N)|torch.einsum('ij->j', M)|torch.einsum('ij,ij->', M, M)
torch.einsum('bij,jk->bik', c, N)|torch.einsum('i,j->ij', q, q)|torch.einsum('ij,jk', M, N)
torch.addmm(N[:1, :2], M, N)|F.linear(M, N.T)|F.linear(M, N.T, N[0])|M @ N + N[0]
torch.tensordot(M, N, 1)|torch.tensordot(c, M, ([1, 2], [0, 1]))|torch.tensordot(c, c, 2)
torch.tensordot(c, c, dims=([0, -1], [0, 2]))|torch.tensordot(M, N, ([0], [1]))
torch.tensordot(c, M, ([2], [1]))|torch.tensordot(M, M, 2)|torch.tensordot(M, q, ([1], [0]))
torch.tensordot(M, N, 0)|torch.tensordot(M, N, ([1], [0, 1]))
r = M * 1; w = torch.einsum('ij,jk->ik', r, N); r += 1
c.view(6, 4) @ N|M[:, :2] @ N[:2]|M[:0] @ N|torch.matmul(M, 'a')|x @ x.T
x.T @ y
"""

LOSSES = """
F.softmax(x, 0)|F.softmax(x, 1)|F.softmax(x, dim=-1)|torch.softmax(x, dim=-1)|x.softmax(-1)
F.log_softmax(x, 1)|x.log_softmax(0)|torch.log_softmax(x, dim=-1)|F.cross_entropy(x, t)
F.cross_entropy(x, t, reduction='sum')|F.cross_entropy(x, t, reduction='none')
F.nll_loss(F.log_softmax(x, 1), t)|F.nll_loss(x, t, reduction='sum')|F.cross_entropy(x, t.float())
F.cross_entropy(x, t + 99)|F.cross_entropy(x, t[:1])|F.cross_entropy(x, t.view(-1, 1))
F.cross_entropy(q, t[0] % 4)|F.cross_entropy(x, t, ignore_index=0)
F.cross_entropy(M, torch.softmax(M.detach() * 2, 1))|F.cross_entropy(c, k2 % 3)
F.cross_entropy(x, t, weight=torch.ones(x.shape[-1]).to(x.dtype))|F.one_hot(t)
F.one_hot(t, num_classes=30)|F.one_hot(t, 2)|F.one_hot(t, 30) * 1.5|F.one_hot(t, x.shape[-1]) * x
F.one_hot(t.float())|F.one_hot(i)|F.mse_loss(x, y)|F.l1_loss(x, y)|F.mse_loss(x, y, reduction='sum')
F.binary_cross_entropy_with_logits(x, p / 3)|F.layer_norm(x, x.shape[-1:])|F.normalize(x, dim=0)
F.pad(x, (1, 2))|F.embedding(k, x)|F.softmax(x)|-x[range(len(t)), t].mean()|F.dropout(x, 0.0)
F.kl_div(x, p, reduction='sum')|x.exp() / x.exp().sum(1, keepdims=True)
(x - x.max(1, keepdim=True).values).exp()|(x + 1e-5) ** -0.5|F.softmax(x, 1)[0]|F.hardtanh(x)
F.cross_entropy(x, t, label_smoothing=0.1)|F.cross_entropy(x, t, label_smoothing=1.5)
F.cross_entropy(x, t, label_smoothing=0.1, reduction='sum')
F.cross_entropy(x, t, label_smoothing=0.3, reduction='none')
F.cross_entropy(x, t, label_smoothing=0.1, ignore_index=0)
F.cross_entropy(x, t, label_smoothing=0.2, weight=torch.arange(1, 1 + x.shape[-1]).to(x.dtype))
F.cross_entropy(x, t, weight=torch.arange(1, 1 + x.shape[-1]).to(x.dtype), ignore_index=0)
F.cross_entropy(M, torch.softmax(M.detach() * 2, 1), label_smoothing=0.1)
F.cross_entropy(c, k2 % 3, label_smoothing=0.1)|F.cross_entropy(q, t[0] % 4, label_smoothing=0.1)
F.binary_cross_entropy(p / 3, p / 4)|F.gelu(x, approximate='tanh')
"""

CREATION = """
torch.tensor(3)|torch.tensor(3.5)|torch.tensor([1, 2])|torch.tensor([1, 2.5])
torch.tensor([[1], [2]])|torch.tensor([])|torch.tensor(True)|torch.tensor([True, False])
torch.tensor([[1, 2], [3]])|torch.tensor(['a'])|torch.tensor(None)
torch.tensor([1], dtype=torch.float32)|torch.tensor(np.arange(3))|torch.tensor(np.ones(2))
torch.tensor(x.tolist())|torch.tensor([s.item(), 2])|torch.tensor([1.0], requires_grad=True)
torch.zeros(2, 3)|torch.zeros((2, 3))|torch.zeros([2])|torch.zeros(2, dtype=torch.int64)
torch.zeros(())|torch.zeros(0)|torch.ones(3)|torch.ones((1, 2))|torch.full((2, 2), 3)
torch.full((2,), 1.5)|torch.arange(5)|torch.arange(1, 5)|torch.arange(0, 1, 0.25)|torch.arange(5.)
torch.arange(5, 0, -2)|torch.arange(5, dtype=torch.float32)|torch.linspace(0, 1, 5)
torch.linspace(-3, 3, 100)|torch.eye(3)|torch.eye(2, 3)|torch.zeros(-1)|torch.arange(0, 5, 0)
torch.zeros(2, device='cpu')|torch.zeros(2.5)|torch.ones(2, requires_grad=True)|torch.Tensor([1, 2])
torch.Tensor(2, 3).shape|torch.as_tensor([1, 2])|torch.as_tensor(x)|torch.from_numpy(np.ones(3))
torch.empty(2, 3).shape|torch.is_tensor(x)|torch.numel(x)|torch.tensor([1, 2]).dtype
torch.LongTensor([1, 2])|torch.FloatTensor([1, 2])|torch.result_type(x, 1.5)
torch.promote_types(torch.int32, torch.float32)|torch.Size([2, 3])|torch.tensor([[0] * 3])
torch.tensor(1) + 1.5|torch.tensor(1.5) + torch.ones(2, dtype=torch.int64)|torch.tensor([1]) / 2
torch.zeros_like(i)|torch.zeros_like(x, dtype=torch.float64)|torch.ones_like(b)
torch.tril(torch.ones(3, 3))|torch.manual_seed(1); r = torch.randn(4)
torch.manual_seed(2); r = torch.rand(3, 4)|torch.manual_seed(3); r = torch.randint(0, 9, (5,))
torch.manual_seed(4); r = torch.randperm(7)|torch.manual_seed(5); r = torch.randn((20, 3)) * 0.1
torch.manual_seed(6); r = torch.randn(33, dtype=torch.float64) * 0
torch.manual_seed(7); r = torch.randint(5, (2, 2))
torch.manual_seed(13); r = torch.bernoulli(p / 2)|torch.manual_seed(14); r = torch.bernoulli(x, 0.3)
torch.manual_seed(15); r = F.dropout(x); w = torch.rand(3)|F.dropout(x, 1.0)|F.dropout(x, 1.5)
torch.manual_seed(16); r = F.dropout(x.T, 0.2)
torch.manual_seed(17); r = torch.dropout(c, 0.9, True)
torch.manual_seed(18); r = (x * 1).bernoulli_(0.7)|torch.manual_seed(3); x.bernoulli_(0.5)
torch.manual_seed(3); x.bernoulli_(p / 2)
torch.bernoulli(i)|F.dropout(i)|torch.bernoulli(p * 2)
torch.manual_seed(19); r = torch.zeros(40).bernoulli_(torch.linspace(0, 1, 40)); w = torch.rand(1)
torch.manual_seed(20); r = x * 1; w = F.dropout(r, 0.4, inplace=True)|torch.bernoulli(x, 2)
torch.manual_seed(21); r = F.dropout(c.permute(2, 0, 1), 0.5)|F.dropout(x, training=False)
torch.manual_seed(22); r = torch.bernoulli(p.double() / 2)|torch.dropout(x, -1, True)
torch.manual_seed(23); r = torch.randn(3); r = torch.get_rng_state(); w = torch.rand(4)
torch.manual_seed(8); r = torch.normal(1.0, 2.0, (40,))
torch.manual_seed(9); r = torch.zeros(30).uniform_(-1, 1)
torch.manual_seed(1); r = torch.zeros(3).normal_()
torch.manual_seed(11); r = torch.multinomial(torch.ones(5) / 5, 1)
torch.manual_seed(12); r = torch.multinomial(torch.ones(2, 5), 9, replacement=True)
g = torch.Generator().manual_seed(42); r = torch.randn(5, generator=g); v = g.initial_seed(); del g
r = torch.Generator().initial_seed()|torch.manual_seed(13); r = torch.randn_like(torch.ones(17))
torch.manual_seed(14); r = torch.rand_like(torch.ones(2, 2))
torch.manual_seed(15); r = torch.initial_seed()|torch.randint(5, 5, (2,))
torch.randn(2, generator=3)|torch.multinomial(torch.zeros(3), 1)|torch.randn(-1)
torch.randint(0, 5, 3)
torch.BoolTensor([True])|torch.DoubleTensor([1, 2])|torch.IntTensor([[1], [2]])
torch.asarray([1.5, 2])|torch.asarray(np.arange(3))|torch.scalar_tensor(2)
torch.scalar_tensor(2, dtype=torch.int64)|torch.logspace(0, 2, 5)
torch.logspace(0, 1, 3, dtype=torch.float64)|torch.logspace(-3, 0, 1000)|torch.tril_indices(3, 3)
torch.triu_indices(2, 4, 1)|torch.cartesian_prod(q, q)|torch.cartesian_prod(q)
torch.meshgrid(q, M[0], indexing='xy')|torch.meshgrid([q, q], indexing='ij')
torch.meshgrid(q, q, indexing='a')|torch.linspace(2, 3, 1)|torch.linspace(2, 3, 0)
torch.linspace(0, 1, -1)|torch.linspace(0, 10, 5, dtype=torch.int64)|torch.arange(5, 0)
torch.arange(3, requires_grad=True)|torch.arange(0.5, 3)|torch.tensor(2 ** 70)|torch.tensor(2 ** 63)
torch.tensor(x)|torch.tensor([x.sum(), 1.0])|torch.tensor([q.detach(), q.detach()])
torch.tensor({})|torch.tensor(object())|torch.tensor([[1], 2])|torch.tensor([None])
torch.from_numpy([1, 2])|torch.as_tensor(np.ones(2))|torch.full((2,), True)
torch.full((2,), 3.5, dtype=torch.int64)
torch.zeros(2, layout=torch.strided)|torch.zeros(2, colour=3)|torch.zeros('a')
torch.zeros(2, pin_memory=False)|torch.zeros(2, 3, names=None)
x.to(device='cpu', dtype=torch.float64)|x.to(y)|x.to(i)
x.type('torch.DoubleTensor')|x.type(torch.int64)|x.cpu()|torch.zeros(3)[0].type()
torch.get_default_dtype()|torch.is_floating_point(x)|torch.seed() >= 0|torch.get_rng_state().dtype
torch.manual_seed(21); g = torch.get_rng_state(); torch.rand(3); torch.set_rng_state(g); del g
torch.manual_seed(21); g = torch.get_rng_state(); torch.set_rng_state(g); r = torch.rand(3); del g
torch.manual_seed(22); r = torch.randint_like(torch.ones(5), 7)
torch.manual_seed(23); r = torch.zeros(20).exponential_()
torch.manual_seed(24); r = torch.zeros(20).random_(0, 9)
torch.manual_seed(25); r = torch.normal(torch.zeros(20), torch.ones(20))
torch.manual_seed(26); r = torch.normal(torch.zeros(20), 2.0)
torch.manual_seed(28); r = torch.multinomial(torch.ones(5), 3)
torch.manual_seed(29); r = torch.rand(5, dtype=torch.float64)
torch.manual_seed(30); r = torch.randn(5, requires_grad=True)
torch.manual_seed(31); r = torch.zeros(40).normal_(1, 2)
torch.manual_seed(32); r = torch.randperm(5, dtype=torch.int32)
torch.manual_seed(-1); r = torch.rand(2)|torch.manual_seed(2 ** 64)
torch.manual_seed(1.5); r = torch.rand(2)|torch.manual_seed(None)|torch.randn(2, 'a')
torch.rand(2.5)|torch.randint(5)|torch.randperm(-1)
torch.multinomial(torch.ones(3), 4)|torch.multinomial(-torch.ones(3), 1)
torch.normal(0.0, -1.0, (2,))
torch.multinomial(torch.ones(3, dtype=torch.int64), 1)
g = torch.Generator(); g.set_state(g.get_state()); r = torch.rand(2, generator=g); del g
torch.finfo(torch.float32).eps|torch.finfo(x.dtype).max|torch.iinfo(torch.int64).max
torch.iinfo(torch.int16).min|torch.finfo().eps
torch.finfo(torch.float16).tiny|torch.finfo(torch.int64)|torch.iinfo(torch.float32)
torch.finfo(torch.float64).bits
torch.finfo(torch.float32).resolution|torch.tensor([1, [2]])|torch.tensor([[1, 2], [3, [4]]])
torch.tensor('a')|torch.tensor([q.detach(), 1])|torch.tensor([q.detach()[:1], 2])
torch.tensor(-2 ** 70)
torch.cartesian_prod(q, M)|torch.linspace(0, 7, 5, dtype=torch.int64)
torch.linspace(-7, 0, 5, dtype=torch.int64)|torch.inner(M, N)|torch.inner(s, M)|torch.inner(q, q)
M.inner(M[0])|c.inner(M)|torch.tensor(np.array(['a']))|torch.inf
torch.pi|torch.e|torch.float32|torch.long|torch.float32.is_floating_point|torch.device('cpu')
torch.device('cpu').type|torch.Size([2, 3]).numel()|torch.Size([2]) + torch.Size([3])
str(torch.float32)|repr(torch.Size([2, 3]))|str(torch.device('cpu'))
"""

OTHER_NAMES = """
torch.absolute(x)|x.absolute()|torch.arccos(p / 3)|(p / 3).arccos()|torch.arcsin(p / 3)
(p / 3).arcsin()|torch.arctan(x)|x.arctan()|torch.arccosh(p + 1)|(p + 1).arccosh()|torch.arcsinh(x)
x.arcsinh()|torch.arctanh(p / 3)|(p / 3).arctanh()|torch.arctan2(x, y)|x.arctan2(y)|torch.fix(x)
x.fix()|torch.sgn(x.detach())|x.detach().sgn()|torch.negative(x)|x.negative()|torch.subtract(x, y)
x.subtract(y)
torch.multiply(x, y)|x.multiply(2)|torch.divide(x, p)|x.divide(p, rounding_mode='floor')
torch.rsub(x, 2)|torch.rsub(x, y, alpha=2)|torch.fmax(x, y)|x.fmax(y)|torch.fmin(x, y)|x.fmin(y)
torch.clip(x, -1, 1)|x.clip(0)|torch.clamp_max(x, 0.5)|x.clamp_max(0)|torch.nan_to_num(x)
x.nan_to_num(1.0)|torch.ge(x, y)|x.ge(0)|torch.gt(x, y)|x.gt(0)|torch.le(x, y)|x.le(0)
torch.lt(x, y)|x.lt(y)|torch.less(x, y)|x.less(0)|torch.less_equal(x, y)|x.less_equal(y)
torch.greater(x, 0)|x.greater(y)|torch.greater_equal(x, y)|x.greater_equal(0)|x.bitwise_and(y)
torch.bitwise_and(i, 3)|torch.bitwise_or(i, i)|torch.bitwise_xor(i, 5)|torch.bitwise_not(i)
b.bitwise_and(b)|b.bitwise_or(b)|i.bitwise_xor(i)|b.bitwise_not()|torch.argwhere(b)|x.argwhere()
torch.inner(M, M)|M.inner(q)|torch.ger(q, q)|q.ger(q)|torch.std_mean(x, 0)|torch.std_mean(x)
torch.concat([x, y])|torch.concatenate([x, y], 1)|torch.row_stack([x, y])|torch.moveaxis(x, 0, -1)
c.moveaxis(0, 2)|torch.swapdims(x, 0, -1)|c.swapdims(0, 1)|x.reshape_as(y)|c.unflatten(2, (2, 2))
torch.unflatten(c, 2, (2, 2))|c.unflatten(1, (-1, 1))|torch.tensor_split(x, 2)|x.tensor_split(2, -1)
x.tensor_split([1, 2])|torch.diag_embed(q)|torch.histc(x, 5, -2, 2)|x.histc(4)
torch.histogram(q.detach(), 4).hist|x.ndimension()|x.is_floating_point()|torch.is_floating_point(i)
x.storage_offset()|M[1:].storage_offset()|x.byte()|(i % 9).short()|i.byte()|x.new_full((2,), 3)
x.new_tensor([1, 2])|x.new_empty(2, 3).shape|i.new_full((2,), 3)|torch.empty_like(x).shape
x.sin_()|x.cos_()|p.tan_()|x.sinh_()|x.cosh_()|x.atan_()|x.expm1_()|p.log10_()|p.log2_()
p.log1p_()|p.rsqrt_()|x.square_()|x.sign_()|x.ceil_()|x.trunc_()|x.fix_()|x.frac_()
x.absolute_()|x.negative_()|x.clip_(-1, 1)|x.multiply_(2)|x.divide_(p)|x.true_divide_(2)
x.remainder_(2)|x.arctan_()|x.subtract_(y)|i.sin_()|torch.set_printoptions(precision=4)
"""

GRADIENTS = """
x.sum().backward()|x.backward()|r = x * 2; r.retain_grad(); (r * y).sum().backward(); v = r.grad
r = (x * 2).sum(); r.backward(); r.backward()|r = (x * x).sum(); r.backward(); r.backward()
r = (x * x).sum(); r.backward(retain_graph=True); r.backward()|x.detach().sum().backward()
r = x.detach().requires_grad_(); r += 1|r = x.detach().requires_grad_(); r[0] = 1
r = x.detach().requires_grad_(); v = r.view(-1); v += 1
r = x.detach().requires_grad_(); (r * r).sum().backward(); (r * 2).sum().backward(); v = r.grad
i.requires_grad = True|i.retain_grad()
r = x.detach().requires_grad_(); (r + 0).sum().backward(); r.data += -0.1 * r.grad
x.requires_grad = False|r = x.exp(); r += 1; r.sum().backward()
r = x * 1; v = r * r; r += 1; v.sum().backward()
r = x * y; v = r.detach(); v += 1; w = (r * 2).sum()
r = x.sum(); r.backward(torch.tensor(2.0).to(x.dtype))
r = x.sigmoid(); v = r.detach(); v += 1; r.sum().backward()
r = x * y; r.backward(torch.ones_like(x))|r = x * y; r.backward(torch.ones(7, 7))
r = torch.autograd.grad((x * y).sum(), [x, y])|r = torch.autograd.grad((x * y).sum(), x)[0]
r = torch.autograd.grad(x.sum(), y)|r = x.grad|r = x.grad_fn.name()|r = torch.is_grad_enabled()
x.grad = torch.ones(7, 7)
r = x.detach().requires_grad_(); r.grad = torch.ones_like(r); v = r.grad * 2
"""

BLOCKS: Final = {
    "arithmetic": ARITHMETIC,
    "functions": FUNCTIONS,
    "comparisons": COMPARISONS,
    "reductions": REDUCTIONS,
    "shapes": SHAPES,
    "indexing": INDEXING,
    "in place": IN_PLACE,
    "linear": LINEAR,
    "losses": LOSSES,
    "creation": CREATION,
    "gradients": GRADIENTS,
    "other names": OTHER_NAMES,
}


# The known differences that remain: form, worlds, reason.
_SUMS: Final = "float64: torch adds in another order, and neither order is nearer to the truth"
_CORNER: Final = "a corner of infinities or of no entries that no notebook uses"
_NAME: Final = "the same values; torch's name of the node is that of a part of its own algorithm"
KNOWN: Final[tuple[tuple[str, str, str], ...]] = (
    ("x.var()", "wide tall", _SUMS),
    ("x.var(unbiased=False)", "wide tall", _SUMS),
    ("x.var(False)", "wide tall", _SUMS),
    ("x.std()", "wide tall", _SUMS),
    ("x.std(0)", "cube special", _SUMS),
    ("torch.std(x, 0, True)", "cube special", _SUMS),
    ("x.std(0, keepdim=True, unbiased=False)", "cube special", _SUMS),
    ("x.std(-1, keepdim=True)", "cube special", _SUMS),
    ("x.prod()", "tall wide special", _SUMS),
    ("x.prod(0)", "tall wide special", _SUMS),
    ("x.prod(1, keepdim=True)", "tall wide special", _SUMS),
    ("x.norm(p=1)", "wide tall", _SUMS),
    ("torch.var_mean(x, 0)", "special", _CORNER),
    ("x.median()", "empty ties special", _CORNER),
    ("x.median(0)", "special ties", _CORNER),
    ("F.gelu(x)", "special", _CORNER),
    ("F.layer_norm(x, x.shape[-1:])", "special ties", _SUMS),
    ("F.embedding(k, x)", "number", _CORNER),
    ("x.repeat_interleave(2, dim=0)", "number", _CORNER),
    ("x.chunk(2)", "empty", _CORNER),
    ("x.index_fill_(0, k, 2)", "number", _CORNER),
    ("x.index_copy_(0, torch.arange(len(t)), y)", "number", _CORNER),
    ("x['a']", "number", _CORNER),
    ("r = x.detach().requires_grad_(); r[0] = 1", "number empty", _CORNER),
    ("x.movedim(0, -1)", "number", _NAME),
    ("x.mT", "number", _NAME),
    ("torch.moveaxis(x, 0, -1)", "number", _NAME),
    ("torch.std_mean(x, 0)", "cube", _SUMS),
    ("torch.std_mean(x, 0)", "special", _CORNER),
    ("torch.std_mean(x)", "wide", _SUMS),
    ("x[1:] = x[1:] * 2", "empty", _NAME),
)


def split(block: str) -> tuple[str, ...]:
    """The forms of a block. A ``|`` in brackets or between spaces belongs to a form."""
    lines = block.replace(" | ", "\0").replace("\n", "|").split("|")
    return tuple(dict.fromkeys(line.replace("\0", " | ").strip() for line in lines if line.strip()))


BY_SUBJECT: Final = {subject: split(block) for subject, block in BLOCKS.items()}
FORMS: Final = tuple(form for forms in BY_SUBJECT.values() for form in forms)
