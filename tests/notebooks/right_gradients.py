"""More right ways to write a gradient in a notebook: other code rather than other formulas."""

from typing import NamedTuple

from code_table import entries
from exercise_notebook import FUSED, SHORT_FORWARD


class Right(NamedTuple):
    """One right way: the gradients that it makes, and the code of its cells."""

    gradients: tuple[str, ...]
    code: str

    @property
    def cells(self) -> list[str]:
        """The cells, which blank lines divide; the last one with the comparisons."""
        compared = "\n".join(f"cmp('{name[1:]}', {name}, {name[1:]})" for name in self.gradients)
        return f"{self.code}\n{compared}".split("\n\n")


# Name | gradients.
_TEXT = """
## a while loop | dlogprobs
dlogprobs = torch.zeros_like(logprobs)
i = 0
while i < n:
  dlogprobs[i, Yb[i]] += -1.0 / n
  i += 1
## a list of rows stacked | dprobs
rows = []
for i in range(n):
  rows.append(dlogprobs[i] / probs[i])
dprobs = torch.stack(rows)
## a comprehension stacked | dcounts_sum_inv
dcounts_sum_inv = torch.stack([(counts[i] * dprobs[i]).sum() for i in range(n)]).view(-1, 1)
## a comprehension of numbers | dcounts_sum
dcounts_sum = torch.tensor([[-dcounts_sum_inv[i, 0].item() / counts_sum[i, 0].item()**2]
                            for i in range(n)])
## rows concatenated | dcounts
dcounts = torch.cat([(counts_sum_inv[i] * dprobs[i] + dcounts_sum[i])[None] for i in range(n)])
## a double loop over entries | dcounts
dcounts = torch.zeros_like(counts)
for i in range(counts.shape[0]):
  for j in range(counts.shape[1]):
    dcounts[i, j] = counts_sum_inv[i, 0] * dprobs[i, j] + dcounts_sum[i, 0]
## entries set through a counter | dlogprobs
dlogprobs = torch.zeros_like(logprobs)
row = 0
for target in Yb.tolist():
  dlogprobs[row][target] = -1 / n
  row += 1
## a flat view written into | dlogprobs
dlogprobs = torch.zeros_like(logprobs)
flat = dlogprobs.view(-1)
flat[torch.arange(n) * vocab_size + Yb] = -1.0 / n
## index_put_ | dlogprobs
dlogprobs = torch.zeros_like(logprobs)
dlogprobs.index_put_((torch.arange(n), Yb), torch.tensor(-1.0 / n))
## scatter_add | dlogprobs
dlogprobs = torch.zeros_like(logprobs)
dlogprobs = dlogprobs.scatter_add(1, Yb[:, None], torch.full((n, 1), -1.0 / n))
## eye for one-hot | dlogprobs
dlogprobs = -torch.eye(vocab_size)[Yb] / n
## where for one-hot | dlogprobs
columns = torch.arange(vocab_size).view(1, -1)
dlogprobs = torch.where(columns == Yb.view(-1, 1), torch.tensor(-1.0 / n), torch.tensor(0.0))
## np.add.at | dC
import numpy as np
table = np.zeros((vocab_size, n_embd), dtype=np.float32)
np.add.at(table, Xb.numpy(), demb.detach().numpy())
dC = torch.tensor(table)
## index_add | dC
dC = torch.zeros_like(C).index_add(0, Xb.flatten(), demb.flatten(0, 1))
## index_put_ that adds up | dC
dC = torch.zeros_like(C)
dC.index_put_((Xb,), demb, accumulate=True)
## scatter_add_ into rows | dC
dC = torch.zeros_like(C)
where = Xb.view(-1, 1).expand(-1, n_embd)
dC.scatter_add_(0, where, demb.view(-1, n_embd))
## one position after the other | dC
dC = torch.zeros_like(C)
for t in range(block_size):
  dC.index_add_(0, Xb[:, t], demb[:, t, :])
## a dict of rows | dC
sums = {}
for k in range(n):
  for j in range(block_size):
    c = Xb[k, j].item()
    sums[c] = sums.get(c, 0) + demb[k, j]
dC = torch.stack([sums[c] if c in sums else torch.zeros(n_embd) for c in range(vocab_size)])
## a product with a one-hot matrix for each position | dC
dC = sum(F.one_hot(Xb[:, t], vocab_size).float().T @ demb[:, t] for t in range(block_size))
## a mask for each character | dC
dC = torch.zeros_like(C)
for c in range(vocab_size):
  mask = (Xb == c).float().unsqueeze(-1)
  dC[c] += (demb * mask).sum(dim=(0, 1))
## itertools | dC
import itertools
dC = torch.zeros_like(C)
for i, j in itertools.product(range(n), range(block_size)):
  dC[Xb[i, j]] = dC[Xb[i, j]] + demb[i, j]
## a loop that skips what is not there | dC
dC = torch.zeros_like(C)
for c in range(vocab_size):
  places = (Xb == c).nonzero()
  if len(places) == 0:
    continue
  for i, j in places.tolist():
    dC[c] += demb[i, j]
## a Jacobian a row, softmax | dlogits
dlogits = torch.zeros_like(logits)
for i in range(n):
  p = probs[i]
  J = torch.diag(p) - p[:, None] * p[None, :]
  dlogits[i] = J @ (dlogprobs[i] / p)
## a Jacobian for tanh | dhpreact
dhpreact = torch.stack([torch.diag(1 - h[i]**2) @ dh[i] for i in range(n)])
## a Jacobian for the sum | dcounts_sum_inv
dcounts_sum_inv = torch.bmm(counts[:, None, :], dprobs[:, :, None]).squeeze(2)
## einsum for a sum of products | dbngain
dbngain = torch.einsum('ij,ij->j', bnraw, dhpreact).unsqueeze(0)
## einsum with a trace | dcounts_sum_inv
dcounts_sum_inv = torch.einsum('ij,ij->i', counts, dprobs)[:, None]
## einsum for weights | dW2
dW2 = torch.einsum('ni,nj->ij', h, dlogits)
## einsum over all | dW1
dW1 = torch.einsum('bi,bj->ij', embcat, dhprebn)
## outer products summed | dW1
dW1 = torch.zeros_like(W1)
for x, up in zip(embcat, dhprebn):
  dW1 += torch.outer(x, up)
## a product of whole batches | dW2
dW2 = torch.bmm(h.unsqueeze(2), dlogits.unsqueeze(1)).sum(dim=0)
## mT | dh
dh = dlogits @ W2.mT
## permute | dembcat
dembcat = torch.matmul(dhprebn, W1.permute(1, 0))
## torch.transpose | dW2
dW2 = torch.mm(torch.transpose(h, 0, 1), dlogits)
## swapaxes | dh
dh = dlogits @ W2.swapaxes(0, 1)
## F.linear | dh
dh = F.linear(dlogits, W2)
## the long way for the matrix product | dh
dh = torch.zeros_like(h)
for j in range(vocab_size):
  dh += dlogits[:, j:j+1] * W2[:, j]
## the maximum shared among ties | dlogits
ties = (logits == logits.max(1, keepdim=True).values).float()
ties /= ties.sum(1, keepdim=True)
dlogits = dnorm_logits + ties * dlogit_maxes
## amax and a mask, shared | dlogits
hit = (logits == torch.amax(logits, dim=1, keepdim=True))
dlogits = dnorm_logits + dlogit_maxes * hit / hit.sum(dim=1, keepdim=True)
## argmax with keepdim, scatter_add_ | dlogits
dlogits = dnorm_logits.clone()
dlogits.scatter_add_(1, logits.argmax(dim=1, keepdim=True), dlogit_maxes)
## the maximum's index by names | dlogits
best = torch.max(logits, dim=1, keepdim=True)
hot = torch.zeros_like(logits)
hot[torch.arange(n)[:, None], best.indices] = 1
dlogits = 1.0 * dnorm_logits + hot * dlogit_maxes
## the maximum's row by topk | dlogits
_, top = logits.topk(1, dim=1)
dlogits = dnorm_logits.clone()
dlogits[torch.arange(n), top[:, 0]] += dlogit_maxes[:, 0]
## an if on a shape | db2
if b2.ndim == 1:
  db2 = dlogits.sum(0)
else:
  db2 = dlogits.sum(0, keepdim=True)
## a conditional expression | dbnbias
dbnbias = dhpreact.sum(0, keepdim=True) if bnbias.dim() == 2 else dhpreact.sum(0)
## an assert between | dbnraw
dbnraw = bngain * dhpreact
assert dbnraw.shape == bnraw.shape
dbnraw = dbnraw
## a try around | dbnraw
try:
  dbnraw = dhpreact * bngain
except RuntimeError:
  dbnraw = None
## a helper that sums over broadcast axes | db2, dbngain, dbnbias
def unbroadcast(gradient, like):
  while gradient.ndim > like.ndim:
    gradient = gradient.sum(0)
  for axis, size in enumerate(like.shape):
    if size == 1:
      gradient = gradient.sum(axis, keepdim=True)
  return gradient

db2 = unbroadcast(dlogits, b2)
dbngain = unbroadcast(bnraw * dhpreact, bngain)
dbnbias = unbroadcast(dhpreact, bnbias)
## a lambda | dhpreact
slope = lambda value: 1 - value.pow(2)
dhpreact = slope(h) * dh
## a lambda of the gradient | dbnvar_inv
back = lambda: (bndiff * dbnraw).sum(0, keepdim=True)
dbnvar_inv = back()
## a class with a backward | dhpreact
class Tanh:
  def forward(self, x):
    self.out = torch.tanh(x)
    return self.out
  def backward(self, up):
    return (1 - self.out**2) * up

layer = Tanh()
layer.forward(hpreact)
dhpreact = layer.backward(dh)
## a function with default and keyword | dbnvar
def power_rule(x, up, p=-0.5, eps=1e-5):
  return p * (x + eps)**(p - 1) * up
dbnvar = power_rule(x=bnvar, up=dbnvar_inv)
## a function that returns two | dW2, db2
def linear_backward(x, W, up):
  return x.T @ up, up.sum(0)
dW2, db2 = linear_backward(h, W2, dlogits)
## a function that returns three | dembcat, dW1, db1
def linear_back(up, x, W, b):
  dx = up @ W.T
  dW = x.T @ up
  db = up.sum(0)
  return dx, dW, db
dembcat, dW1, db1 = linear_back(dhprebn, embcat, W1, b1)
## a function that returns a dict | dbngain, dbnbias, dbnraw
def affine_backward(up):
  return {'gain': (bnraw * up).sum(0, keepdim=True), 'bias': up.sum(0, keepdim=True),
          'x': bngain * up}
out = affine_backward(dhpreact)
dbngain, dbnbias, dbnraw = out['gain'], out['bias'], out['x']
## functions in functions | dhprebn
def center(x):
  return x - x.mean(0, keepdim=True)
def back_through_norm(up, gain):
  def through_std(g):
    return bnvar_inv * g - bnraw * bnvar_inv * (g * bnraw).sum(0, keepdim=True) / (n - 1)
  return center(through_std(up * gain))
dhprebn = back_through_norm(dhpreact, bngain)
## recorded by a decorator | demb
@torch.no_grad()
def unflatten(up):
  return up.view(n, block_size, n_embd)
demb = unflatten(dembcat)
## a temporary named again | dcounts_sum, dbnvar
tmp = counts_sum**2
tmp = -1.0 / tmp
dcounts_sum = tmp * dcounts_sum_inv
tmp = (bnvar + 1e-5)**-1.5
tmp = -0.5 * tmp
dbnvar = tmp * dbnvar_inv
## several statements a line | dW2, db2
a = h.T; dW2 = a @ dlogits; a = dlogits; db2 = a.sum(0)
## a tuple assigned | dh, dW2, db2
dh, dW2, db2 = dlogits @ W2.T, h.T @ dlogits, dlogits.sum(0)
## a tuple that swaps | dW2, dW1
a, b = embcat.T @ dhprebn, h.T @ dlogits
a, b = b, a
dW2, dW1 = a, b
## a chain of assignments | dbnraw
dbnraw = dxhat = bngain * dhpreact
## a chain through another name | db1
total = db1 = dhprebn.sum(axis=0)
## an annotated assignment | dh
dh: torch.Tensor = dlogits @ W2.t()
## a walrus | dnorm_logits
dnorm_logits = (e := norm_logits.exp()) * dcounts
## a starred target | dW2, db2
dW2, *rest = h.T @ dlogits, dlogits.sum(0), None
db2 = rest[0]
## kept in a dict | dhpreact, dbnraw
grads = {}
grads['hpreact'] = (1 - h**2) * dh
grads['bnraw'] = bngain * grads['hpreact']
dhpreact = grads['hpreact']
dbnraw = grads['bnraw']
## kept in a list | dW1, db1
collected = []
collected.append(embcat.T @ dhprebn)
collected.append(dhprebn.sum(0))
dW1, db1 = collected
## made and then renamed | dbndiff
first = bnvar_inv * dbnraw
first += bndiff * 2 * dbndiff2
dbndiff = first
## added to itself | dbndiff
dbndiff = torch.zeros_like(bndiff)
dbndiff = dbndiff + bnvar_inv * dbnraw
dbndiff = dbndiff + bndiff * dbndiff2 * 2.0
## accumulated in place by a method | dhprebn
dhprebn = dbndiff.clone()
dhprebn.add_(dbnmeani / n)
## a buffer written into | dhpreact
buffer = torch.empty_like(h)
buffer[:] = 1 - h * h
buffer *= dh
dhpreact = buffer
## zeroed and filled | dcounts
dcounts = torch.empty(n, vocab_size)
dcounts.zero_()
dcounts += counts_sum_inv * dprobs
dcounts += 1.0 * dcounts_sum
## fill_ | dbndiff2
dbndiff2 = torch.empty_like(bndiff2).fill_(1.0 / (n - 1)) * dbnvar
## full_like | dbndiff2
dbndiff2 = torch.full_like(bndiff2, 1/(n-1)) * dbnvar
## tile | dbndiff2
dbndiff2 = torch.tile(dbnvar, (n, 1)) / (n - 1)
## broadcast_to | dbndiff2
dbndiff2 = torch.broadcast_to(dbnvar/(n-1), bndiff2.shape)
## a product with ones | dbndiff2
dbndiff2 = torch.ones(n, 1) @ dbnvar / (n-1)
## detached | dh
dh = dlogits.detach() @ W2.detach().T
## data | dhpreact
dhpreact = (1 - h.data**2) * dh.data
## clone and detach of values | dprobs
p = probs.clone().detach()
dprobs = dlogprobs.clone() / p
## double and back | dbnvar
dbnvar = (-0.5 * (bnvar.double() + 1e-5)**-1.5 * dbnvar_inv.double()).float()
## to a type | dW2
dW2 = (h.to(torch.float64).T @ dlogits.to(torch.float64)).float()
## numpy in the middle | dhpreact
by_numpy = (1 - h.detach().numpy()**2) * dh.detach().numpy()
dhpreact = torch.from_numpy(by_numpy)
## numpy at the end | db1
db1 = torch.tensor(dhprebn.detach().numpy().sum(axis=0))
## no_grad around | dnorm_logits
with torch.no_grad():
  dnorm_logits = counts * dcounts
## no_grad in parts | dcounts
with torch.no_grad():
  dcounts = counts_sum_inv * dprobs
with torch.no_grad():
  dcounts += dcounts_sum
## autograd's gradient as an upstream | dh
dh = logits.grad @ W2.T
## autograd's gradients as upstreams | dbndiff
dbndiff = bnvar_inv * bnraw.grad
dbndiff += 2 * bndiff * bndiff2.grad
## a cell for each path | dcounts
dcounts = counts_sum_inv * dprobs

dcounts += torch.ones_like(counts) * dcounts_sum
## a cell for preparation | dhprebn
mean_path = 1.0 / n * torch.ones_like(hprebn) * dbnmeani

dhprebn = dbndiff.clone()
dhprebn += mean_path
## a cell run twice | dlogits
dlogits = dnorm_logits.clone()
dlogits[range(n), logits.max(1).indices] += dlogit_maxes[:, 0]

dlogits = dnorm_logits.clone()
dlogits[range(n), logits.max(1).indices] += dlogit_maxes[:, 0]
## another attempt before | dbnmeani
dbnmeani = dbndiff.sum(0, keepdim=True)

dbnmeani = -dbnmeani
## printed and looked at between | dW2
print(h.shape, dlogits.shape)
dW2 = h.T @ dlogits
print(dW2.shape, W2.shape)

dW2.shape, W2.shape
## the derivative through exp | dhpreact
e2 = torch.exp(2 * hpreact)
dhpreact = 4 * e2 / (e2 + 1)**2 * dh
## the derivative by cosh | dhpreact
dhpreact = dh / torch.cosh(hpreact)**2
## the inverse root by rsqrt | dbnvar
dbnvar = -0.5 * torch.rsqrt(bnvar + 1e-5)**3 * dbnvar_inv
## sqrt and cubes | dbnvar
std = torch.sqrt(bnvar + 1e-5)
dbnvar = -dbnvar_inv / (2 * std**3)
## expected values | dlogits
expected = (probs * dprobs).sum(1, keepdim=True)
dlogits = probs * (dprobs - expected)
## log-softmax | dlogits
dlogits = F.log_softmax(logits, dim=1).exp()
dlogits[torch.arange(n), Yb] -= 1.0
dlogits = dlogits.div(n)
## softmax with subtract by scatter | dlogits
dlogits = torch.softmax(logits, dim=-1)
dlogits.scatter_add_(1, Yb.unsqueeze(1), -torch.ones(n, 1))
dlogits.div_(n)
## softmax in a loop | dlogits
dlogits = torch.zeros_like(logits)
for i in range(n):
  e = torch.exp(logits[i] - logits[i].max())
  dlogits[i] = e / e.sum() / n
  dlogits[i, Yb[i]] -= 1 / n
## softmax in a function | dlogits
def softmax(x):
  e = (x - x.max(dim=1, keepdim=True)[0]).exp()
  return e / e.sum(dim=1, keepdim=True)
dlogits = (softmax(logits) - F.one_hot(Yb, num_classes=vocab_size)) / logits.shape[0]
## batch norm by means | dhprebn
dxhat = dhpreact * bngain
m1 = dxhat.mean(0, keepdim=True)
m2 = (dxhat * bnraw).sum(0, keepdim=True) / (n - 1)
dhprebn = bnvar_inv * (dxhat - m1 - bnraw * m2)
## batch norm a unit at a time | dhprebn
dhprebn = torch.zeros_like(hprebn)
for j in range(n_hidden):
  g_, v_ = bngain[0, j], bnvar_inv[0, j]
  up, x = dhpreact[:, j], bnraw[:, j]
  dhprebn[:, j] = g_ * v_ / n * (n * up - up.sum() - n / (n - 1) * x * (up * x).sum())
## batch norm by a Jacobian a unit | dhprebn
dhprebn = torch.zeros_like(hprebn)
for j in range(n_hidden):
  x = bnraw[:, j]
  J = torch.eye(n) - torch.ones(n, n) / n - torch.outer(x, x) / (n - 1)
  dhprebn[:, j] = (bngain[0, j] * bnvar_inv[0, j] * J) @ dhpreact[:, j]
## split into positions | demb
demb = torch.stack(dembcat.split(n_embd, dim=1), dim=1)
## chunks | demb
demb = torch.stack(torch.chunk(dembcat, block_size, 1), 1)
## positions filled one by one | demb
demb = torch.zeros_like(emb)
for t in range(block_size):
  demb[:, t, :] = dembcat[:, t * n_embd:(t + 1) * n_embd]
## a shape from another tensor | demb
demb = dembcat.view(*emb.size())
## unflatten | demb
demb = dembcat.unflatten(1, (block_size, n_embd))
## a sum by matmul | db1
db1 = (dhprebn.T @ torch.ones(n, 1)).squeeze()
## a sum by cumsum | db2
db2 = dlogits.cumsum(0)[-1]
## a sum by axis | dbnmeani
dbnmeani = -torch.sum(dbndiff, axis=0, keepdims=1)
## sum and unsqueeze | dlogit_maxes
dlogit_maxes = -dnorm_logits.sum(-1).unsqueeze(-1)
## python's sum | db2
db2 = sum(dlogits)
## python's sum of a generator | db1
db1 = sum(row for row in dhprebn)
## reduce | db2
from functools import reduce
db2 = reduce(torch.add, dlogits.unbind(0))
## a mean times n | dbnbias
dbnbias = dhpreact.mean(dim=0, keepdim=True) * n
## reciprocal | dprobs
dprobs = dlogprobs * probs.reciprocal()
## torch functions | dcounts_sum
dcounts_sum = torch.mul(torch.neg(torch.pow(counts_sum, -2)), dcounts_sum_inv)
## square | dcounts_sum
dcounts_sum = -torch.square(counts_sum_inv) * dcounts_sum_inv
## masked_fill | dlogprobs
hit = F.one_hot(Yb, vocab_size).bool()
dlogprobs = torch.zeros_like(logprobs).masked_fill(hit, -1.0 / n)
## a boolean index | dlogprobs
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[F.one_hot(Yb, vocab_size) == 1] = -1.0 / n
## divided only where it matters | dprobs
dprobs = torch.zeros_like(probs)
dprobs[range(n), Yb] = dlogprobs[range(n), Yb] / probs[range(n), Yb]
## an upstream of ones | dlogprobs
dloss = torch.tensor(1.0)
dmean = -dloss
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[torch.arange(0, n), Yb] = dmean / n
## constants with names | dbndiff2
scale = 1 / (n - 1)
ones = torch.ones((n, n_hidden))
dbndiff2 = scale * ones * dbnvar
## constants of Python's math | dbnvar
import math
half = -math.pow(2, -1)
dbnvar = half * (bnvar + 1e-5)**(-3 / 2) * dbnvar_inv
## sizes unpacked | dhprebn
N, D = hprebn.shape
dhprebn = dbndiff + torch.ones(N, D) * dbnmeani / N
## two gradients made in one loop | dW1, db1
dW1, db1 = torch.zeros_like(W1), torch.zeros_like(b1)
for i in range(n):
  dW1 += embcat[i][:, None] * dhprebn[i][None, :]
  db1 += dhprebn[i]
## a chain of all of batch norm in a loop of rows | dbngain, dbnbias
dbngain = torch.zeros_like(bngain)
dbnbias = torch.zeros_like(bnbias)
for raw, up in zip(bnraw, dhpreact):
  dbngain += raw * up
  dbnbias += up
## globals written by a function | dh, dW2
def second_layer():
  global dh, dW2
  dh = dlogits @ W2.T
  dW2 = h.T @ dlogits
second_layer()
## torch.autograd.grad as an upstream | dhpreact
z = h.detach().clone().requires_grad_(True)
[up] = torch.autograd.grad(F.cross_entropy(z @ W2 + b2, Yb), z)
dhpreact = (1 - h.detach()**2) * up
## backward of a part as an upstream | dhprebn
z = hpreact.detach().clone()
z.requires_grad = True
part = F.cross_entropy(torch.tanh(z) @ W2 + b2, Yb)
part.backward()
up = bngain * z.grad
dhprebn = bnvar_inv * (up - up.mean(0) - bnraw * (up * bnraw).sum(0) / (n - 1))
## double precision | dhpreact
dhpreact = (1 - h.double()**2) * dh.double()
## float64 by numpy | dlogprobs
import numpy as np
by_numpy = np.zeros((n, vocab_size))
by_numpy[np.arange(n), Yb.numpy()] = -1.0 / n
dlogprobs = torch.from_numpy(by_numpy)
"""
MORE_RIGHT: dict[str, Right] = {
    name: Right(tuple(gradients.split(", ")), code) for (name, gradients), code in entries(_TEXT)
}

# Whole exercises, a forward pass and its gradients: the cells of each.
_BACKWARD = """
for p in parameters:
  p.grad = None
for t in [emb, embcat, hprebn, hpreact, bnraw, h, logits]:
  t.retain_grad()
loss.backward()
"""
_SEVEN = ("dC", "dW1", "db1", "dW2", "db2", "dbngain", "dbnbias")


def _indented(code: str) -> str:
    return "\n".join("  " + line for line in code.strip().splitlines())


_COMPARED = "\n".join(f"cmp('{name[1:]}', {name}, {name[1:]})" for name in _SEVEN)
WHOLE: dict[str, tuple[str, ...]] = {
    "short forward pass": (SHORT_FORWARD + _BACKWARD, FUSED, _COMPARED),
    "gradients before backward()": (SHORT_FORWARD, FUSED, _BACKWARD, _COMPARED),
    "no grad, then backward()": (
        SHORT_FORWARD + f"with torch.no_grad():\n{_indented(FUSED)}\n" + _BACKWARD + _COMPARED,
    ),
    "a dict of gradients, compared in a loop": (
        SHORT_FORWARD + _BACKWARD,
        (
            f"def backward():\n{_indented(FUSED)}\n  return dict(C=dC, W1=dW1, b1=db1)\n"
            "grads = backward()\nassert torch.allclose(grads['W1'], W1.grad)\n"
            "assert torch.allclose(grads['C'], C.grad)"
        ),
    ),
    "a list of gradients next to the parameters": (
        SHORT_FORWARD + _BACKWARD,
        (
            f"def backward():\n{_indented(FUSED)}\n  return [{', '.join(_SEVEN)}]\n"
            "grads = backward()\nfor p, grad in zip(parameters, grads):\n"
            "  print(tuple(p.shape), (p.grad - grad).abs().max().item())"
        ),
    ),
    "asserts": (
        SHORT_FORWARD + _BACKWARD,
        FUSED,
        "\n".join(f"assert torch.allclose({name}, {name[1:]}.grad, atol=1e-6)" for name in _SEVEN),
    ),
    "a comparison of two": (
        SHORT_FORWARD + _BACKWARD,
        (
            "def check(t, dt, tol=1e-6):\n  assert dt.shape == t.shape\n"
            "  return (t.grad - dt).abs().max() < tol"
        ),
        FUSED + "\nprint([check(t=t, dt=d) for t, d in ((W1, dW1), (b1, db1))])\n"
        "print(check(W2, dW2), check(C, dC), check(bngain, dt=dbngain))",
    ),
    "caches": (
        (
            "def linear(x, W, b):\n  return x @ W + b, (x, W)\n"
            "def linear_back(up, cache):\n  x, W = cache\n  return up @ W.T, x.T @ up, up.sum(0)\n"
            "def norm(x, gain, bias):\n  mu = x.mean(0, keepdim=True)\n"
            "  var = x.var(0, keepdim=True)\n"
            "  inv = (var + 1e-5)**-0.5\n  hat = (x - mu) * inv\n"
            "  return gain * hat + bias, {'hat': hat, 'inv': inv, 'gain': gain}\n"
            "def norm_back(up, c):\n  m = up.shape[0]\n"
            "  gain = (up * c['hat']).sum(0, keepdim=True)\n  bias = up.sum(0, keepdim=True)\n"
            "  x = c['gain'] * c['inv'] * (up - bias / m - c['hat'] * gain / (m - 1))\n"
            "  return x, gain, bias"
        ),
        "emb = C[Xb]\nembcat = emb.view(n, -1)\nhprebn, c1 = linear(embcat, W1, b1)\n"
        "hpreact, c2 = norm(hprebn, bngain, bnbias)\nh = torch.tanh(hpreact)\nkept = h.detach()\n"
        "slope = 1 - kept**2\nlogits, c3 = linear(h, W2, b2)\nbnraw = c2['hat']\n"
        "soft = F.softmax(logits, 1).detach()\nloss = F.cross_entropy(logits, Yb)" + _BACKWARD,
        (
            "dlogits = soft.clone()\ndlogits[range(n), Yb] -= 1\ndlogits /= n\n"
            "dh, dW2, db2 = linear_back(dlogits, c3)\ndhpreact = dh * slope\n"
            "dhprebn, dbngain, dbnbias = norm_back(dhpreact, c2)\n"
            "dembcat, dW1, db1 = linear_back(dhprebn, c1)\ndemb = dembcat.view(emb.shape)\n"
            "dC = torch.zeros_like(C)\ndC.index_add_(0, Xb.view(-1), demb.view(-1, n_embd))"
        ),
        _COMPARED,
    ),
    "layers of classes": (
        (
            "class Linear:\n  def __init__(self, W, b):\n    self.W, self.b = W, b\n"
            "  def __call__(self, x):\n    self.x = x\n    return x @ self.W + self.b\n"
            "  def backward(self, up):\n    self.dW = self.x.T @ up\n    return up @ self.W.T\n"
            "class Tanh:\n  def __call__(self, x):\n    self.out = torch.tanh(x)\n"
            "    return self.out\n"
            "  def backward(self, up):\n    return up * (1 - self.out**2)\n"
            "layer1, act, layer2 = Linear(W1, b1), Tanh(), Linear(W2, b2)"
        ),
        "emb = C[Xb]\nembcat = emb.view(n, -1)\nhprebn = layer1(embcat)\nh = act(hprebn)\n"
        "logits = layer2(h)\nloss = F.cross_entropy(logits, Yb)\n"
        + _BACKWARD.replace("hpreact, bnraw, ", ""),
        (
            "dlogits = (F.softmax(logits, 1) - F.one_hot(Yb, vocab_size)) / n\n"
            "dh = layer2.backward(dlogits)\ndhprebn = act.backward(dh)\n"
            "dembcat = layer1.backward(dhprebn)\ndW1, dW2 = layer1.dW, layer2.dW\n"
            "cmp('W1', dW1, W1)\ncmp('W2', dW2, W2)\ncmp('h', dh, h)\n"
            "cmp('hprebn', dhprebn, hprebn)"
        ),
    ),
}
