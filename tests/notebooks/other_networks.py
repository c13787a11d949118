"""Notebooks of other networks than the lecture's: gradients by hand, and a few wrong ones.

Each is one text whose cells are divided by blank lines. A gradient that is wrong has the word
``bad`` in a comment on the line that completes it.
"""

# The first cells of four notebooks: three layers, a ReLU and a leaky ReLU, and their loss.
_THREE_LAYERS = """
import torch
import torch.nn.functional as F
import numpy as np
torch.manual_seed(0)
N, D, H1, H2, K = 20, 5, 8, 6, 3
x = torch.randn(N, D); y = torch.randint(0, K, (N,))
W1 = torch.randn(D, H1, requires_grad=True); b1 = torch.zeros(H1, requires_grad=True)
W2 = torch.randn(H1, H2, requires_grad=True); b2 = torch.zeros(H2, requires_grad=True)
W3 = torch.randn(H2, K, requires_grad=True); b3 = torch.zeros(K, requires_grad=True)
def check(name, mine, auto):
    print(name, torch.allclose(mine, auto), (mine - auto).abs().max())

z1 = x @ W1 + b1
h1 = z1.clamp(min=0)
z2 = h1 @ W2 + b2
h2 = F.leaky_relu(z2, 0.1)
z3 = h2 @ W3 + b3
probs = F.softmax(z3, dim=1)
loss = -torch.log(probs[torch.arange(N), y]).sum() / N
for t in (z1, h1, z2, h2, z3, probs): t.retain_grad()
loss.backward()
"""

OTHER_NETWORKS: dict[str, str] = {
    "two hidden layers": """
def cmp(s, dt, t):
  print(s, torch.allclose(dt, t.grad), (dt - t.grad).abs().max().item())

import torch
import torch.nn.functional as F
torch.manual_seed(0)
N, D, H1, H2, K = 20, 5, 8, 6, 3
x = torch.randn(N, D)
y = torch.randint(0, K, (N,))
w1 = torch.randn(D, H1, requires_grad=True)
c1 = torch.zeros(H1, requires_grad=True)
w2 = (torch.randn(H1, H2) * 0.5).requires_grad_()
c2 = torch.zeros(H2, requires_grad=True)
w3 = (torch.randn(H2, K) * 0.5).requires_grad_()
c3 = torch.zeros(K, requires_grad=True)

z1 = x @ w1 + c1
a1 = torch.tanh(z1)
z2 = a1 @ w2 + c2
a2 = torch.relu(z2)
z3 = a2 @ w3 + c3
loss = F.cross_entropy(z3, y)
for t in (z1, a1, z2, a2, z3): t.retain_grad()
loss.backward()

grad_z3 = F.softmax(z3, 1)
grad_z3[range(N), y] -= 1
grad_z3 /= N
grad_w3 = a2.T @ grad_z3
grad_c3 = grad_z3.sum(0)
grad_a2 = grad_z3 @ w3.T
grad_z2 = grad_a2 * (z2 > 0)
grad_w2 = a1.T @ grad_z2
grad_c2 = grad_z2.sum(0)
grad_a1 = grad_z2 @ w2.T
grad_z1 = grad_a1 * (1 - a1**2)
grad_w1 = x.T @ grad_z1
grad_c1 = grad_z1.sum(0)

z1_grad = (1 - torch.tanh(z1)**2) * (
    (((F.softmax(z3, 1) - F.one_hot(y, K)) / N) @ w3.T * (z2 > 0).float()) @ w2.T)
cmp('z1', z1_grad, z1)
dL_dz2 = z3.grad @ w3.t()
dL_dz2[z2 <= 0] = 0
cmp('z2', dL_dz2, z2)
z2_grad = grad_a2.clone()
z2_grad[a2 == 0] = 0
z2_grad_bad = grad_a2 * a2  # bad
cmp('z2', z2_grad_bad, z2)
dz2 = torch.where(z2 > 0, grad_a2, torch.zeros_like(grad_a2))
cmp('z2', dz2, z2)
""",
    "layer norm": """
def cmp(s, dt, t):
  print(s, torch.allclose(dt, t.grad), (dt - t.grad).abs().max().item())

import torch
import torch.nn.functional as F
g = torch.Generator().manual_seed(1)
B, D = 6, 9
x = torch.randn((B, D), generator=g)
x.requires_grad = True
gamma = torch.randn(D, generator=g); beta = torch.randn(D, generator=g)
gamma.requires_grad = True; beta.requires_grad = True
target = torch.randn((B, D), generator=g)

mu = x.mean(1, keepdim=True)
xc = x - mu
var = (xc**2).mean(1, keepdim=True)
inv = (var + 1e-5)**-0.5
xhat = xc * inv
out = xhat * gamma + beta
loss = ((out - target)**2).mean()
for t in [mu, xc, var, inv, xhat, out]:
    t.retain_grad()
loss.backward()

dout = 2 * (out - target) / (B * D)
dbeta = dout.sum(0)
dgamma = (dout * xhat).sum(0)
dxhat = dout * gamma
dinv = (dxhat * xc).sum(1, keepdim=True)
dvar = -0.5 * (var + 1e-5)**-1.5 * dinv
dxc = dxhat * inv
dxc += 2 * xc / D * dvar
dmu = -dxc.sum(1, keepdim=True)
dx = dxc + dmu / D
for name, d, t in [('out', dout, out), ('beta', dbeta, beta), ('gamma', dgamma, gamma),
                   ('xhat', dxhat, xhat), ('inv', dinv, inv), ('var', dvar, var),
                   ('xc', dxc, xc), ('mu', dmu, mu), ('x', dx, x)]:
    cmp(name, d, t)

# fused
both = xhat * (dxhat * xhat).sum(1, keepdim=True)
dxf = inv / D * (D * dxhat - dxhat.sum(1, keepdim=True) - both)
cmp('x', dxf, x)

dxw = inv / D * (D * dxhat - dxhat.sum(0, keepdim=True) - both)  # bad
cmp('x', dxw, x)
""",
    "softmax regression": """
import torch
g = torch.Generator().manual_seed(3)
X = torch.randn((30, 4), generator=g)
Y = torch.randint(0, 3, (30,), generator=g)
W = torch.randn((4, 3), generator=g, requires_grad=True)
b = torch.zeros(3, requires_grad=True)

scores = X @ W + b
exps = torch.exp(scores)
total = exps.sum(1, keepdim=True)
p = exps / total
nll = -torch.log(p[torch.arange(30), Y])
data_loss = nll.mean()
reg_loss = 0.1 * (W**2).sum()
L = data_loss + reg_loss
scores.retain_grad(); p.retain_grad(); exps.retain_grad(); total.retain_grad(); nll.retain_grad()
L.backward()

nll_grad = torch.ones(30) / 30
p_grad = torch.zeros_like(p)
p_grad[torch.arange(30), Y] = -1 / p[torch.arange(30), Y] * nll_grad
exps_grad = p_grad / total
total_grad = -(p_grad * exps / total**2).sum(1, keepdim=True)
exps_grad += total_grad
scores_grad = exps_grad * exps
W_grad = X.T @ scores_grad + 0.2 * W
b_grad = scores_grad.sum(0)
print(torch.allclose(W_grad, W.grad))
print(torch.allclose(b_grad, b.grad))
print(torch.allclose(scores_grad, scores.grad))

def softmax_loss_naive(W, X, y, reg):
    dW = torch.zeros_like(W)
    N = X.shape[0]
    for i in range(N):
        s = X[i] @ W + b
        s = s - s.max()
        q = torch.exp(s) / torch.exp(s).sum()
        for j in range(W.shape[1]):
            dW[:, j] += (q[j] - (j == y[i]).float()) * X[i]
    dW /= N
    dW += 2 * reg * W
    return dW
dW = softmax_loss_naive(W, X, Y, 0.1)
assert torch.allclose(dW, W.grad, atol=1e-6)

dW_noreg = X.T @ scores_grad  # bad
print((dW_noreg - W.grad).abs().max())
""",
    "caches and functions": """
import torch, torch.nn.functional as F
g = torch.Generator().manual_seed(3)
X = torch.randn((30, 4), generator=g)
Y = torch.randint(0, 3, (30,), generator=g)
W1 = torch.randn((4, 7), generator=g, requires_grad=True)
b1 = torch.zeros(7, requires_grad=True)
W2 = torch.randn((7, 3), generator=g, requires_grad=True)
b2 = torch.zeros(3, requires_grad=True)
def affine_forward(x, w, b):
    out = x @ w + b
    cache = (x, w, b)
    return out, cache
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout @ w.T
    dw = x.T @ dout
    db = dout.sum(0)
    return dx, dw, db
def tanh_forward(x):
    out = torch.tanh(x)
    return out, out
def tanh_backward(dout, cache):
    return dout * (1 - cache**2)

z, cache1 = affine_forward(X, W1, b1)
h, cache2 = tanh_forward(z)
scores, cache3 = affine_forward(h, W2, b2)
sm = F.softmax(scores, 1).detach()
hd = h.detach()
slope = 1 - hd**2
loss = F.cross_entropy(scores, Y)
for t in [z, h, scores]: t.retain_grad()
loss.backward()

dscores = sm.clone()
dscores[range(30), Y] -= 1
dscores /= 30
dh, dW2, db2 = affine_backward(dscores, cache3)
dz = tanh_backward(dh, cache2)
dX, dW1, db1 = affine_backward(dz, cache1)
print(torch.allclose(dW1, W1.grad))
print(torch.allclose(dz, z.grad))
print(torch.allclose(dh, h.grad))
print(torch.allclose(db1, b1.grad))
print(torch.allclose(dscores, scores.grad))
print(torch.allclose(dW2, W2.grad), torch.allclose(db2, b2.grad))

dz = dh * slope
print((dz - z.grad).abs().max())
dz = dh * (1 - hd * hd)
print((dz - z.grad).abs().max())
""",
    "classes": """
import torch, torch.nn.functional as F
torch.manual_seed(5)
class Linear:
    def __init__(self, i, o):
        self.W = torch.randn(i, o) / i**0.5
        self.b = torch.zeros(o)
        self.W.requires_grad = True
        self.b.requires_grad = True
    def __call__(self, x):
        self.x = x
        self.out = x @ self.W + self.b
        return self.out
    def backward(self, up):
        self.dW = self.x.T @ up
        self.db = up.sum(0)
        return up @ self.W.T
class Tanh:
    def __call__(self, x):
        self.out = torch.tanh(x)
        return self.out
    def backward(self, up):
        return (1 - self.out**2) * up
X = torch.randn(12, 4); Y = torch.randint(0, 5, (12,))
l1, act, l2 = Linear(4, 6), Tanh(), Linear(6, 5)

pre = l1(X)
hid = act(pre)
logits = l2(hid)
loss = F.cross_entropy(logits, Y)
for t in (pre, hid, logits): t.retain_grad()
loss.backward()

dlogits = F.softmax(logits, 1)
dlogits[range(12), Y] -= 1
dlogits /= 12
dhid = l2.backward(dlogits)
dpre = act.backward(dhid)
l1.backward(dpre)
print(torch.allclose(dlogits, logits.grad))
print(torch.allclose(dhid, hid.grad))
print(torch.allclose(dpre, pre.grad))
print(torch.allclose(l1.dW, l1.W.grad))
""",
    "dropout": """
def cmp(s, dt, t):
  print(s, torch.allclose(dt, t.grad), (dt - t.grad).abs().max().item())

import torch
torch.manual_seed(4)
X = torch.randn(16, 3); t = torch.randn(16, 1)
W1 = torch.randn(3, 10, requires_grad=True)
W2 = torch.randn(10, 1, requires_grad=True)

a = X @ W1
s = torch.sigmoid(a)
mask = (torch.rand(16, 10) > 0.5).float() / 0.5
d = s * mask
y = d @ W2
err = y - t
loss = (err**2).sum() / 2
for q in [a, s, d, y, err]: q.retain_grad()
loss.backward()

derr = err.clone()
dy = derr
dd = dy @ W2.T
dW2 = d.T @ dy
ds = dd * mask
da = ds * s * (1 - s)
dW1 = X.T @ da
cmp('err', derr, err)
cmp('y', dy, y)
cmp('d', dd, d)
cmp('s', ds, s)
cmp('a', da, a)
cmp('W1', dW1, W1)
cmp('W2', dW2, W2)

dy = err
cmp('y', dy, y)
da = ds * s  # bad
cmp('a', da, a)
""",
    "attention": """
def cmp(s, dt, t):
  print(s, torch.allclose(dt, t.grad), (dt - t.grad).abs().max().item())

import torch, torch.nn.functional as F
torch.manual_seed(9)
B, T, Cc, hs = 2, 4, 6, 3
x = torch.randn(B, T, Cc)
Wk = torch.randn(Cc, hs, requires_grad=True)
Wq = torch.randn(Cc, hs, requires_grad=True)
Wv = torch.randn(Cc, hs, requires_grad=True)

k = x @ Wk
q = x @ Wq
v = x @ Wv
wei = q @ k.transpose(-2, -1) * hs**-0.5
tril = torch.tril(torch.ones(T, T))
wei2 = wei.masked_fill(tril == 0, float('-inf'))
att = F.softmax(wei2, dim=-1)
out = att @ v
loss = (out**2).mean()
for t in (k, q, v, wei, wei2, att, out): t.retain_grad()
loss.backward()

dout = 2 * out / out.numel()
dv = att.transpose(-2, -1) @ dout
datt = dout @ v.transpose(-2, -1)
dwei2 = att * (datt - (att * datt).sum(-1, keepdim=True))
dwei = dwei2.masked_fill(tril == 0, 0)
dq = dwei @ k * hs**-0.5
dk = dwei.transpose(-2, -1) @ q * hs**-0.5
dWk = (x.transpose(-2, -1) @ dk).sum(0)
dWq = torch.einsum('btc,bth->ch', x, dq)
dWv = x.reshape(-1, Cc).T @ dv.reshape(-1, hs)
for n_ in ['out','v','att','wei2','wei','q','k','Wk','Wq','Wv']:
    cmp(n_, locals()['d'+n_], locals()[n_])
""",
    "one variable for all": _THREE_LAYERS
    + """
dout = probs.clone()
dout[torch.arange(N), y] -= 1
dout = dout / N
check('z3', dout, z3.grad)
dW3 = h2.T @ dout; db3 = dout.sum(0)
check('W3', dW3, W3.grad); check('b3', db3, b3.grad)
dout = dout @ W3.T
check('h2', dout, h2.grad)
dout = torch.where(z2 > 0, dout, 0.1 * dout)
check('z2', dout, z2.grad)
check('W2', h1.T @ dout, W2.grad)
dout = dout @ W2.T
check('h1', dout, h1.grad)
dout[z1 <= 0] = 0
check('z1', dout, z1.grad)
check('W1', x.T @ dout, W1.grad)
check('b1', dout.sum(axis=0), b1.grad)

dout = dout @ W1.T
dout = h2.grad.clone()
dout[z2 < 0] *= 0.1
check('z2', dout, z2.grad)
dout = h2.grad * (z2 > 0)  # bad
check('z2', dout, z2.grad)
""",
    "lists": _THREE_LAYERS
    + """
W, b, a = [W1, W2, W3], [b1, b2, b3], [x, h1, h2]
dW, db = [None] * 3, [None] * 3
delta = (probs - F.one_hot(y, K)) / N
for l in range(2, -1, -1):
    dW[l] = a[l].T @ delta
    db[l] = delta.sum(0)
    if l > 0:
        delta = delta @ W[l].T
        if l == 2:
            delta = delta * torch.where(z2 > 0, 1.0, 0.1)
        else:
            delta = delta * (z1 > 0).float()
check('W1', dW[0], W1.grad)
check('W2', dW[1], W2.grad)
check('W3', dW[2], W3.grad)
check('b1', db[0], b1.grad)

for l, (p, q) in enumerate(zip(W, b)):
    check(f'W{l}', dW[l], p.grad)
""",
    "NumPy": _THREE_LAYERS
    + """
P = probs.detach().numpy(); X = x.numpy(); w3 = W3.detach().numpy(); w2 = W2.detach().numpy()
Y = np.zeros((N, K)); Y[np.arange(N), y.numpy()] = 1
dz3 = (P - Y) / N
dW3 = h2.detach().numpy().T @ dz3
dh2 = dz3 @ w3.T
dz2 = dh2 * np.where(z2.detach().numpy() > 0, 1, 0.1)
dW2 = h1.detach().numpy().T @ dz2
dh1 = dz2 @ w2.T
dz1 = dh1 * (h1.detach().numpy() > 0)
dW1 = X.T @ dz1
print(np.allclose(dW1, W1.grad.numpy(), atol=1e-6))
print(np.allclose(dW2, W2.grad))
print(np.allclose(dW3, W3.grad.numpy()))

dz2 = dh2 * (z2.detach().numpy() > 0)  # bad
print(np.abs(dz2 - z2.grad.numpy()).max())
""",
    "names used again": _THREE_LAYERS
    + """
probs = F.softmax(z3, 1)
z3_ = z3 - z3.max(1, keepdim=True).values
e = z3_.exp()
probs = e / e.sum(1, keepdim=True)
dz3 = probs.clone().detach()
dz3[range(N), y] -= 1
dz3 /= N
h2 = h2.detach(); h1 = h1.detach()
dW3 = h2.T @ dz3
dh2 = dz3 @ W3.detach().T
check('W3', dW3, W3.grad); check('z3', dz3, z3.grad)

with torch.no_grad():
    slope = torch.ones_like(z2); slope[z2 < 0] = 0.1
    dz2 = slope * dh2
    dW2 = h1.T @ dz2
check('z2', dz2, z2.grad); check('W2', dW2, W2.grad)
""",
    "recurrent": """
import torch, torch.nn.functional as F
torch.manual_seed(2)
B, T, I, H = 4, 3, 5, 6
xs = torch.randn(T, B, I); target = torch.randn(B, 1)
Wx = torch.randn(I, H, requires_grad=True)
Wh = (torch.randn(H, H) * 0.3).requires_grad_(True)
bh = torch.zeros(H, requires_grad=True)
Wo = torch.randn(H, 1, requires_grad=True)
h0 = torch.zeros(B, H)

a1 = xs[0] @ Wx + h0 @ Wh + bh; h1 = torch.tanh(a1)
a2 = xs[1] @ Wx + h1 @ Wh + bh; h2 = torch.tanh(a2)
a3 = xs[2] @ Wx + h2 @ Wh + bh; h3 = torch.tanh(a3)
out = h3 @ Wo
loss = F.mse_loss(out, target)
for t in (a1, h1, a2, h2, a3, h3, out): t.retain_grad()
loss.backward()

dWx, dWh, dbh = torch.zeros_like(Wx), torch.zeros_like(Wh), torch.zeros_like(bh)
dout = 2 * (out - target) / B
dWo = h3.T @ dout
dh3 = dout @ Wo.T
da3 = dh3 * (1 - h3**2)
dWx += xs[2].T @ da3; dWh += h2.T @ da3; dbh += da3.sum(0)
dh2 = da3 @ Wh.T
da2 = dh2 * (1 - h2**2)
dWx += xs[1].T @ da2; dWh += h1.T @ da2; dbh += da2.sum(0)
dh1 = da2 @ Wh.T
da1 = dh1 * (1 - h1**2)
dWx += xs[0].T @ da1; dWh += h0.T @ da1; dbh += da1.sum(0)
print(torch.allclose(dWx, Wx.grad))
print(torch.allclose(dWh, Wh.grad))
print(torch.allclose(dbh, bh.grad))
print(torch.allclose(da1, a1.grad))

dWx = torch.zeros_like(Wx); dWh = torch.zeros_like(Wh)
dh_next = dout @ Wo.T
hs = [h0, h1, h2, h3]
for t in reversed(range(3)):
    da = dh_next * (1 - hs[t+1]**2)
    dWx += xs[t].T @ da
    dWh += hs[t].T @ da
    dh_next = da @ Wh.T
print(torch.allclose(dWx, Wx.grad), torch.allclose(dWh, Wh.grad))

dWh = h2.T @ da3 + h1.T @ da2 + h1.T @ da1  # bad
print(torch.allclose(dWh, Wh.grad))
dWx = xs.reshape(-1, I).T @ torch.cat([da1, da2, da3])
assert torch.allclose(dWx, Wx.grad, atol=1e-5)
""",
    "residual": """
import torch
torch.manual_seed(2)
x = torch.randn(7, 4)
W = torch.randn(4, 4, requires_grad=True)
w = torch.randn(4, requires_grad=True)
t = torch.rand(7)

u = x @ W
r = torch.sigmoid(u)
s = x * r + u
z = (s * w).sum(1)
p = torch.sigmoid(z)
loss = -(t * torch.log(p) + (1 - t) * torch.log(1 - p)).mean()
for q in (u, r, s, z, p): q.retain_grad()
loss.backward()

n = len(t)
p_grad = -(t / p - (1 - t) / (1 - p)) / n
z_grad = p_grad * p * (1 - p)
z_grad2 = (p - t) / n
s_grad = z_grad[:, None] * w
w_grad = (z_grad[:, None] * s).sum(0)
r_grad = s_grad * x
u_grad = s_grad + r_grad * r * (1 - r)
W_grad = x.T @ u_grad
for a, b in [(p_grad, p), (z_grad, z), (z_grad2, z), (s_grad, s), (w_grad, w), (r_grad, r),
             (u_grad, u), (W_grad, W)]:
    print((a - b.grad).abs().max())

u_grad = s_grad
u_grad += r_grad * r * (1 - r)  # bad
print((u_grad - u.grad).abs().max())
w_grad = s.T @ z_grad
print((w_grad - w.grad).abs().max())
u_grad = s_grad.clone() + r_grad * r  # bad
print((u_grad - u.grad).abs().max())
""",
}
