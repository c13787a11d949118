"""Mistakes in notebooks: by the families in which learners make them, with words for their cause.

Half of them, by a hash of their names, were never looked at while the diagnosis was written.
"""

import hashlib
from typing import NamedTuple

from code_table import entries


class Wrong(NamedTuple):
    """One mistake: its gradient, what a right cause says (one of these), its lines."""

    gradient: str
    said: tuple[str, ...]
    code: str

    @property
    def cell(self) -> str:
        """The code of a cell, with its comparison."""
        return f"{self.code}\ncmp('{self.gradient[1:]}', {self.gradient}, {self.gradient[1:]})"


def tuned(name: str) -> bool:
    """Whether a mistake is of the half that the diagnosis was written with."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0


# Name | gradient | words, of which one has to stand in the cause; ``;`` divides them.
_TEXT = """
## reshape for transpose in dh | dh | reshape;transpose
dh = dlogits @ W2.view(vocab_size, n_hidden)
## reshape for transpose in dW2 | dW2 | reshape;transpose
dW2 = h.reshape(n_hidden, n) @ dlogits
## view for transpose in dembcat | dembcat | reshape;transpose
dembcat = dhprebn @ W1.view(n_hidden, -1)
## view for transpose in dW1 | dW1 | reshape;transpose
dW1 = embcat.view(-1, n) @ dhprebn
## one row of logprobs only | dlogprobs | first row
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[0, Yb[0]] = -1.0/n
## last row of logprobs left out | dlogprobs | last row
dlogprobs = torch.zeros_like(logprobs)
for i in range(n - 1):
  dlogprobs[i, Yb[i]] = -1.0/n
## first row of logprobs left out | dlogprobs | first row
dlogprobs = torch.zeros_like(logprobs)
for i in range(1, n):
  dlogprobs[i, Yb[i]] = -1.0/n
## loop for dW2 overwrites | dW2 | last row;overwrites
dW2 = torch.zeros_like(W2)
for i in range(n):
  dW2 = h[i].view(-1, 1) * dlogits[i].view(1, -1)
## loop for db2 one short | db2 | last row
db2 = torch.zeros_like(b2)
for i in range(n - 1):
  db2 += dlogits[i]
## loop for db1 starts at one | dbnbias | first row
dbnbias = torch.zeros_like(bnbias)
for i in range(1, n):
  dbnbias += dhpreact[i]
## loop for dh one short | dh | last row
dh = torch.zeros_like(h)
for i in range(n - 1):
  dh[i] = W2 @ dlogits[i]
## first row stands for all in dhpreact | dhpreact | first row
dhpreact = (1 - h**2) * dh[0]
## Y picks rows in dlogprobs | dlogprobs | row
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[Yb] = -1.0/n
## all target columns in dlogprobs | dlogprobs | row's number;all rows
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[:, Yb] = -1/n
## every entry of dlogprobs | dlogprobs | every entry
dlogprobs = -torch.ones_like(logprobs) / n
## argmax for the target | dlogprobs | argmax
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(n), logits.argmax(1)] = -1.0/n
## context for the target | dlogprobs | context
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(n), Xb[:, 2]] = -1.0/n
## columns for n | dlogprobs | columns
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(n), Yb] = -1.0/vocab_size
## one not divided | dlogprobs | division
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(n), Yb] = -1.0
## n minus one | dlogprobs | n - 1
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(n), Yb] = -1.0/(n-1)
## targets multiplied by logprobs | dlogprobs | logprobs
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(n), Yb] = -logprobs[range(n), Yb]/n
## minus one after the division | dlogprobs | bracket
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(n), Yb] = -1.0/n - 1
## one over logprobs | dprobs | logprobs
dprobs = 1 / logprobs * dlogprobs
## probs multiplied | dprobs | dlogprobs * probs;multipl
dprobs = probs * dlogprobs
## probs squared | dprobs | probs**2;square
dprobs = dlogprobs / probs**2
## sign of dprobs | dprobs | times -1;sign
dprobs = -dlogprobs / probs
## exp of probs | dprobs | exp
dprobs = dlogprobs * probs.exp()
## upstream of probs forgotten | dprobs | left out;reads no;no gradient;ignored
dprobs = 1.0 / probs
## counts for probs | dprobs | counts
dprobs = dlogprobs / counts
## names one line off | dprobs | counts_sum
dprobs = dlogprobs / counts_sum
## log of probs derived twice | dprobs | square;probs**2;sign;times -1
dprobs = -probs**-2 * dlogprobs
## no sum in counts_sum_inv | dcounts_sum_inv | sum over axis 1 is missing;sum
dcounts_sum_inv = counts * dprobs
## sum along the batch | dcounts_sum_inv | axis 0
dcounts_sum_inv = (counts * dprobs).sum(0, keepdim=True)
## mean for the sum in counts_sum_inv | dcounts_sum_inv | mean
dcounts_sum_inv = (counts * dprobs).mean(1, keepdim=True)
## product of sums in counts_sum_inv | dcounts_sum_inv | product of;sums
dcounts_sum_inv = counts.sum(1, keepdim=True) * dprobs.sum(1, keepdim=True)
## counts left out | dcounts_sum_inv | counts
dcounts_sum_inv = dprobs.sum(1, keepdim=True)
## probs for counts in counts_sum_inv | dcounts_sum_inv | probs stands where counts
dcounts_sum_inv = (probs * dprobs).sum(1, keepdim=True)
## all summed in counts_sum_inv | dcounts_sum_inv | all is summed
dcounts_sum_inv = (counts * dprobs).sum() * torch.ones_like(counts_sum_inv)
## largest for the sum in counts_sum_inv | dcounts_sum_inv | max
dcounts_sum_inv = (counts * dprobs).max(1, keepdim=True).values
## power rule without the power | dcounts_sum | power;division
dcounts_sum = -1 * dcounts_sum_inv
## power rule without the minus | dcounts_sum | minus sign
dcounts_sum = counts_sum**-2 * dcounts_sum_inv
## power minus one in dcounts_sum | dcounts_sum | power
dcounts_sum = -counts_sum**-1 * dcounts_sum_inv
## power minus three in dcounts_sum | dcounts_sum | power;**-3
dcounts_sum = -counts_sum**-3 * dcounts_sum_inv
## log instead of inverse | dcounts_sum | power;minus
dcounts_sum = dcounts_sum_inv / counts_sum
## inverse squared of the inverse | dcounts_sum | counts_sum_inv
dcounts_sum = -(counts_sum_inv**-2) * dcounts_sum_inv
## dcounts without the sum's path | dcounts | path through counts_sum
dcounts = counts_sum_inv * dprobs
## dcounts with counts_sum as a factor | dcounts | counts_sum is multiplied;counts_sum
dcounts = counts_sum_inv * dprobs
dcounts += counts_sum * dcounts_sum
## dcounts' paths multiplied | dcounts | multiplied
dcounts = counts_sum_inv * dprobs
dcounts *= dcounts_sum
## dcounts' second path twice | dcounts | twice
dcounts = counts_sum_inv * dprobs
dcounts += dcounts_sum
dcounts += dcounts_sum
## dcounts' second path replaces | dcounts | path through probs;replaces
dcounts = counts_sum_inv * dprobs
dcounts = torch.ones_like(counts) * dcounts_sum
## dcounts' second path a mean | dcounts | 1/V;mean;columns
dcounts = counts_sum_inv * dprobs + dcounts_sum / vocab_size
## dcounts' second path subtracted | dcounts | sign
dcounts = counts_sum_inv * dprobs - dcounts_sum
## dcounts with counts again | dcounts | counts is multiplied;counts
dcounts = counts_sum_inv * dprobs + counts * dcounts_sum
## counts_sum for its inverse in dcounts | dcounts | counts_sum
dcounts = counts_sum * dprobs + dcounts_sum
## norm_logits for its exponential | dnorm_logits | norm_logits
dnorm_logits = norm_logits * dcounts
## exp of counts | dnorm_logits | exp
dnorm_logits = counts.exp() * dcounts
## the power rule for exp | dnorm_logits | norm_logits;counts
dnorm_logits = norm_logits * (norm_logits - 1).exp() * dcounts
## dcounts passed on | dnorm_logits | counts
dnorm_logits = dcounts.clone()
## the exponential without an upstream | dnorm_logits | left out;ignored;reads no
dnorm_logits = norm_logits.exp()
## logits for norm_logits | dnorm_logits | exp of logits;logits
dnorm_logits = logits.exp() * dcounts
## zeros for the maximum | dlogit_maxes | zeros
dlogit_maxes = torch.zeros_like(logit_maxes)
## the maximum's sign | dlogit_maxes | minus sign
dlogit_maxes = dnorm_logits.sum(1, keepdim=True)
## the maximum's largest entry | dlogit_maxes | max
dlogit_maxes = -dnorm_logits.max(1, keepdim=True).values
## the maximum's mean | dlogit_maxes | mean
dlogit_maxes = -dnorm_logits.mean(1, keepdim=True)
## the maximum's path dropped | dlogits | path through logit_maxes
dlogits = dnorm_logits.clone()
## the maximum given to all columns | dlogits | largest is missing;all;factor largest
dlogits = dnorm_logits.clone()
dlogits += dlogit_maxes
## the maximum's rows | dlogits | row
dlogits = dnorm_logits.clone()
dlogits[logits.max(1).indices] += dlogit_maxes
## all winner columns | dlogits | columns;row
dlogits = dnorm_logits.clone()
dlogits[:, logits.max(1).indices] += dlogit_maxes.view(1, -1)
## the maximum's index fans out | dlogits | fans out;columns of all rows;in every row
dlogits = dnorm_logits.clone()
dlogits[range(n), logits.max(1, keepdim=True).indices] += dlogit_maxes
## the maximum at the targets | dlogits | target
dlogits = dnorm_logits.clone()
dlogits[range(n), Yb] += dlogit_maxes.view(-1)
## the maximum subtracted | dlogits | sign
dlogits = dnorm_logits - F.one_hot(logits.max(1).indices, vocab_size) * dlogit_maxes
## the maximum of each column | dlogits | axis 0;column
dlogits = dnorm_logits + (logits == logits.max(0).values) * dlogit_maxes
## the maximum of all | dlogits | all
dlogits = dnorm_logits + (logits == logits.max()) * dlogit_maxes
## the maximum's path replaces | dlogits | replaces;path through norm_logits
dlogits = F.one_hot(logits.max(1).indices, vocab_size) * dlogit_maxes
## the value for the gradient of the maximum | dlogits | logit_maxes
dlogits = dnorm_logits + F.one_hot(logits.max(1).indices, vocab_size) * logit_maxes
## dh with W2 as it is | dh | W2;transpose
dh = (W2 @ dlogits.T)
## dh by entries | dh | W2;sum;product
dh = dlogits.sum(1, keepdim=True) * W2.sum(1)
## dh divided by n | dh | 1/n
dh = dlogits @ W2.T / n
## dh without upstream | dh | ignored;reads no;left out
dh = torch.ones_like(dlogits) @ W2.T
## dh with a sign | dh | times -1;sign
dh = -dlogits @ W2.T
## dW2 turned round | dW2 | h.T;changed places;transpose
dW2 = dlogits.T @ h
## dW2 with hpreact | dW2 | hpreact
dW2 = hpreact.T @ dlogits
## dW2 a mean | dW2 | 1/n
dW2 = h.T @ dlogits / n
## dW2 a product of sums | dW2 | product of;sums
dW2 = h.sum(0).view(-1, 1) * dlogits.sum(0)
## dW2 with tanh again | dW2 | tanh
dW2 = torch.tanh(h).T @ dlogits
## dW2 with 1 - h**2 | dW2 | 1 - h;derivative;h**2
dW2 = (1 - h**2).T @ dlogits
## db2 a mean | db2 | mean
db2 = dlogits.mean(0)
## db2 over the columns | db2 | axis 1
db2 = dlogits.sum(1)
## db2 not summed | db2 | sum over axis 0 is missing;sum
db2 = dlogits
## db2 of ones | db2 | left out;ignored;reads no
db2 = torch.ones_like(logits).sum(0)
## db2 of everything | db2 | all is summed
db2 = torch.ones_like(b2) * dlogits.sum()
## db2 kept its row | db2 | keepdim
db2 = dlogits.sum(0, keepdim=True)
## db2 with b2 multiplied | db2 | b2;multiplied
db2 = (dlogits * b2).sum(0)
## tanh without square | dhpreact | power 2
dhpreact = (1 - h) * dh
## tanh of hpreact not taken | dhpreact | hpreact stands where h
dhpreact = (1 - hpreact**2) * dh
## brackets around 1 - h | dhpreact | bracket;(1 - h)
dhpreact = (1 - h)**2 * dh
## no brackets in 1 - h**2 | dhpreact | bracket
dhpreact = 1 - h**2 * dh
## sigmoid's slope | dhpreact | sigmoid
dhpreact = h * (1 - h) * dh
## ReLU's slope | dhpreact | ReLU
dhpreact = (hpreact > 0).float() * dh
## ReLU's slope by a copy | dhpreact | ReLU
dhpreact = dh.clone()
dhpreact[hpreact <= 0] = 0
## tanh twice | dhpreact | once more
dhpreact = (1 - torch.tanh(h)**2) * dh
## plus for minus in tanh | dhpreact | sign
dhpreact = (1 + h**2) * dh
## minus one plus h**2 | dhpreact | times -1;sign
dhpreact = (h**2 - 1) * dh
## twice h | dhpreact | 2 * h
dhpreact = (1 - 2*h) * dh
## root of the slope | dhpreact | root;sqrt
dhpreact = (1 - h**2)**0.5 * dh
## arctan's slope | dhpreact | arctan
dhpreact = dh / (1 + hpreact**2)
## slope and value added | dhpreact | added;multiplied;a sum stands
dhpreact = (1 - h**2) + dh
## slope forgotten | dhpreact | factor;missing
dhpreact = dh.clone()
## bndiff for bnraw in the gain | dbngain | bndiff
dbngain = (bndiff * dhpreact).sum(0, keepdim=True)
## hpreact for bnraw in the gain | dbngain | hpreact
dbngain = (hpreact * dhpreact).sum(0, keepdim=True)
## the gain over the columns | dbngain | axis 1
dbngain = (bnraw * dhpreact).sum(1, keepdim=True)
## the gain a product of sums | dbngain | product of;sums
dbngain = bnraw.sum(0, keepdim=True) * dhpreact.sum(0, keepdim=True)
## the gain without bnraw | dbngain | bnraw
dbngain = dhpreact.sum(0, keepdim=True)
## the gain a mean | dbngain | mean
dbngain = (bnraw * dhpreact).mean(0, keepdim=True)
## the gain not summed | dbngain | sum
dbngain = bnraw * dhpreact
## the gain multiplied in | dbngain | bngain
dbngain = (bngain * bnraw * dhpreact).sum(0, keepdim=True)
## the bias a mean | dbnbias | mean
dbnbias = dhpreact.mean(0, keepdim=True)
## the bias of everything | dbnbias | all is summed
dbnbias = torch.ones_like(bnbias) * dhpreact.sum()
## the bias with the gain | dbnbias | bngain
dbnbias = (bngain * dhpreact).sum(0, keepdim=True)
## the bias of bnraw's gradient | dbnbias | dbnraw;bngain
dbnbias = dbnraw.sum(0, keepdim=True)
## bnraw divided by the gain | dbnraw | bngain;inverse
dbnraw = dhpreact / bngain
## bnraw without the gain | dbnraw | bngain
dbnraw = dhpreact.clone()
## bnraw with the bias | dbnraw | bnbias
dbnraw = bngain * dhpreact + bnbias
## bnraw with the gain summed | dbnraw | sum
dbnraw = bngain.sum() * dhpreact
## bnraw for bndiff in bnvar_inv | dbnvar_inv | bnraw
dbnvar_inv = (bnraw * dbnraw).sum(0, keepdim=True)
## hprebn for bndiff in bnvar_inv | dbnvar_inv | hprebn
dbnvar_inv = (hprebn * dbnraw).sum(0, keepdim=True)
## bnvar_inv a product of sums | dbnvar_inv | product of;sums
dbnvar_inv = bndiff.sum(0, keepdim=True) * dbnraw.sum(0, keepdim=True)
## bnvar_inv a mean | dbnvar_inv | mean
dbnvar_inv = (bndiff * dbnraw).mean(0, keepdim=True)
## bnvar_inv not summed | dbnvar_inv | sum
dbnvar_inv = bndiff * dbnraw
## bnvar without the factor | dbnvar | 0.5;factor
dbnvar = -(bnvar + 1e-5)**-1.5 * dbnvar_inv
## bnvar without the minus | dbnvar | minus sign
dbnvar = 0.5 * (bnvar + 1e-5)**-1.5 * dbnvar_inv
## bnvar with the old power | dbnvar | power -0.5
dbnvar = -0.5 * (bnvar + 1e-5)**-0.5 * dbnvar_inv
## bnvar with power 1/2 | dbnvar | power
dbnvar = -0.5 * (bnvar + 1e-5)**0.5 * dbnvar_inv
## bnvar without eps | dbnvar | eps
dbnvar = -0.5 * bnvar**-1.5 * dbnvar_inv
## bnvar with eps outside | dbnvar | eps;bracket
dbnvar = -0.5 * (bnvar**-1.5 + 1e-5) * dbnvar_inv
## bnvar with minus three halves unbracketed | dbnvar | bracket;**-3
dbnvar = -0.5 * (bnvar + 1e-5)**-3/2 * dbnvar_inv
## bnvar of its inverse | dbnvar | bnvar_inv
dbnvar = -0.5 * (bnvar_inv + 1e-5)**-1.5 * dbnvar_inv
## bnvar with the square of the inverse | dbnvar | power;**2
dbnvar = -0.5 * bnvar_inv**2 * dbnvar_inv
## the variance divided by n | dbndiff2 | n stands where n - 1
dbndiff2 = torch.ones_like(bndiff2) * dbnvar / n
## the variance not divided | dbndiff2 | division;n - 1
dbndiff2 = torch.ones_like(bndiff2) * dbnvar
## the variance divided by n and less one | dbndiff2 | bracket;n - 1
dbndiff2 = torch.ones_like(bndiff2) * (dbnvar / n - 1)
## the variance multiplied by bndiff2 | dbndiff2 | bndiff2
dbndiff2 = bndiff2 * dbnvar / (n - 1)
## the variance in one row | dbndiff2 | row
dbndiff2 = dbnvar / (n - 1)
## the variance's n minus one multiplied | dbndiff2 | n - 1;factor;times;belongs
dbndiff2 = torch.ones_like(bndiff2) * dbnvar * (n - 1)
## bndiff without the second path | dbndiff | path through bndiff2
dbndiff = bnvar_inv * dbnraw
## bndiff without the first path | dbndiff | path through bnraw
dbndiff = 2 * bndiff * dbndiff2
## bndiff without the 2 | dbndiff | 2
dbndiff = bnvar_inv * dbnraw + bndiff * dbndiff2
## bndiff squared gradient | dbndiff | dbndiff2
dbndiff = bnvar_inv * dbnraw
dbndiff += 2 * dbndiff2 * dbndiff2
## bndiff with bnvar for its inverse | dbndiff | bnvar
dbndiff = bnvar * dbnraw + 2 * bndiff * dbndiff2
## bndiff with hprebn | dbndiff | hprebn
dbndiff = bnvar_inv * dbnraw + 2 * hprebn * dbndiff2
## bndiff with paths multiplied | dbndiff | multiplied
dbndiff = bnvar_inv * dbnraw * 2 * bndiff * dbndiff2
## bndiff with bndiff2 for bndiff | dbndiff | bndiff2
dbndiff = bnvar_inv * dbnraw + 2 * bndiff2 * dbndiff2
## bndiff divided | dbndiff | bnvar_inv;divided
dbndiff = dbnraw / bnvar_inv + 2 * bndiff * dbndiff2
## the mean's sign | dbnmeani | minus sign;sign
dbnmeani = dbndiff.sum(0, keepdim=True)
## the mean a mean | dbnmeani | mean
dbnmeani = -dbndiff.mean(0, keepdim=True)
## the mean over the columns | dbnmeani | axis 1
dbnmeani = -dbndiff.sum(1, keepdim=True)
## the mean not summed | dbnmeani | sum
dbnmeani = -dbndiff
## the mean's path subtracted | dhprebn | sign
dhprebn = dbndiff.clone()
dhprebn -= dbnmeani / n
## the mean's path left out | dhprebn | path through bnmeani
dhprebn = dbndiff.clone()
## the mean's path not divided | dhprebn | division
dhprebn = dbndiff.clone()
dhprebn += dbnmeani
## the mean's path divided by n - 1 | dhprebn | n - 1
dhprebn = dbndiff + dbnmeani / (n - 1)
## the mean's path divided by the units | dhprebn | columns;H
dhprebn = dbndiff + dbnmeani / n_hidden
## both paths divided by n | dhprebn | bracket
dhprebn = (dbndiff + dbnmeani) / n
## the mean's path twice | dhprebn | twice
dhprebn = dbndiff + 2 * dbnmeani / n
## the mean itself in dhprebn | dhprebn | bnmeani
dhprebn = dbndiff + bnmeani / n
## dembcat turned round | dembcat | changed places;transpose;W1
dembcat = W1 @ dhprebn.T
## dembcat divided | dembcat | 1/n
dembcat = dhprebn @ W1.T / n
## dembcat with a sign | dembcat | times -1;sign
dembcat = -(dhprebn @ W1.T)
## dW1 turned round | dW1 | embcat.T;changed places;transpose
dW1 = dhprebn.T @ embcat
## dW1 a mean | dW1 | 1/n
dW1 = embcat.T @ dhprebn / n
## dW1 of the last row | dW1 | last row
for i in range(n):
  dW1 = torch.outer(embcat[i], dhprebn[i])
## dW1 a product of sums | dW1 | product of;sums
dW1 = embcat.sum(0)[:, None] * dhprebn.sum(0)
## db1 zeros | db1 | zeros
db1 = torch.zeros_like(b1)
## db1 kept its row | db1 | keepdim
db1 = dhprebn.sum(0, keepdim=True)
## db1 not summed | db1 | sum
db1 = dhprebn.clone()
## demb transposed first | demb | transpose
demb = dembcat.T.reshape(emb.shape)
## demb flipped | demb | reverse
demb = dembcat.view(emb.shape).flip(1)
## demb with axes exchanged | demb | axes;transpose;order
demb = dembcat.view(n, n_embd, block_size).transpose(1, 2)
## demb not reshaped | demb | reshape
demb = dembcat
## demb multiplied by emb | demb | emb
demb = dembcat.view(emb.shape) * emb
## dC starts from C | dC | starts from C
dC = C.detach().clone()
for k in range(n):
  for j in range(block_size):
    dC[Xb[k, j]] += demb[k, j]
## dC indexed by the targets | dC | target
dC = torch.zeros_like(C)
for k in range(n):
  for j in range(block_size):
    dC[Yb[k]] += demb[k, j]
## dC by position | dC | position
dC = torch.zeros_like(C)
for k in range(n):
  for j in range(block_size):
    dC[j] += demb[k, j]
## dC by row | dC | row
dC = torch.zeros_like(C)
for k in range(n):
  for j in range(block_size):
    dC[k % vocab_size] += demb[k, j]
## dC without character 0 | dC | character 0
dC = torch.zeros_like(C)
for k in range(n):
  for j in range(block_size):
    if Xb[k, j] != 0:
      dC[Xb[k, j]] += demb[k, j]
## dC overwrites | dC | overwrites;repeat
dC = torch.zeros_like(C)
for k in range(n):
  for j in range(block_size):
    dC[Xb[k, j]] = demb[k, j]
## dC added at once | dC | repeat
dC = torch.zeros_like(C)
dC[Xb] += demb
## dC a row at a time | dC | repeat
dC = torch.zeros_like(C)
for k in range(n):
  dC[Xb[k]] += demb[k]
## dC a position at a time | dC | repeat
dC = torch.zeros_like(C)
for t in range(block_size):
  dC[Xb[:, t]] += demb[:, t]
## dC of the last position | dC | last position
dC = torch.zeros_like(C)
for k in range(n):
  dC[Xb[k, -1]] += demb[k, -1]
## dC of two positions | dC | last position
dC = torch.zeros_like(C)
for k in range(n):
  for j in range(block_size - 1):
    dC[Xb[k, j]] += demb[k, j]
## dC without the last row | dC | last row
dC = torch.zeros_like(C)
for k in range(n - 1):
  for j in range(block_size):
    dC[Xb[k, j]] += demb[k, j]
## dC's indentation | dC | last position
dC = torch.zeros_like(C)
for k in range(n):
  for j in range(block_size):
    ix = Xb[k, j]
  dC[ix] += demb[k, j]
## dC counts | dC | left out;1 is added;ignored;reads no
dC = torch.zeros_like(C)
for k in range(n):
  for j in range(block_size):
    dC[Xb[k, j]] += 1
## dC of emb | dC | emb
dC = torch.zeros_like(C)
for k in range(n):
  for j in range(block_size):
    dC[Xb[k, j]] += emb[k, j]
## dC divided by the count | dC | mean;divided;count
dC = torch.zeros_like(C)
for c in range(vocab_size):
  if (Xb == c).any():
    dC[c] = demb[Xb == c].mean(0)
## dC divided by n | dC | divided by n
dC = torch.zeros_like(C)
dC.index_add_(0, Xb.view(-1), demb.view(-1, n_embd))
dC /= n
## fused softmax over the batch | dlogits | axis 0
dlogits = F.softmax(logits, 0)
dlogits[range(n), Yb] -= 1
dlogits /= n
## fused softmax, one after the division | dlogits | after the division
dlogits = F.softmax(logits, 1)
dlogits /= n
dlogits[range(n), Yb] -= 1
## fused softmax, not divided | dlogits | division;missing
dlogits = F.softmax(logits, 1)
dlogits[range(n), Yb] -= 1
## fused softmax, set to -1 | dlogits | = -1
dlogits = F.softmax(logits, 1)
dlogits[range(n), Yb] = -1
dlogits /= n
## fused softmax, argmax | dlogits | argmax
dlogits = F.softmax(logits, 1)
dlogits[range(n), logits.argmax(1)] -= 1
dlogits /= n
## fused softmax, all rows | dlogits | all rows;row's number
dlogits = F.softmax(logits, 1)
dlogits[:, Yb] -= 1
dlogits /= n
## fused softmax, rows | dlogits | row
dlogits = F.softmax(logits, 1)
dlogits[Yb] -= 1
dlogits /= n
## fused softmax, targets alone divided | dlogits | targets alone;division
dlogits = F.softmax(logits, 1)
dlogits[range(n), Yb] -= 1/n
## fused softmax, 27 for n | dlogits | columns
dlogits = (F.softmax(logits, 1) - F.one_hot(Yb, vocab_size)) / vocab_size
## fused softmax, sign | dlogits | sign;times -1
dlogits = (F.one_hot(Yb, vocab_size) - F.softmax(logits, 1)) / n
## fused softmax, no minus one | dlogits | missing;without
dlogits = F.softmax(logits, 1) / n
## fused softmax, unshifted over shifted | dlogits | shift
dlogits = logits.exp() / counts_sum
dlogits[range(n), Yb] -= 1
dlogits /= n
## fused softmax, sum of squares | dlogits | square
dlogits = counts / (counts**2).sum(1, keepdim=True)
dlogits[range(n), Yb] -= 1
dlogits /= n
## fused softmax, plus one | dlogits | += 1;sign
dlogits = F.softmax(logits, 1)
dlogits[range(n), Yb] += 1
dlogits /= n
## fused softmax, log | dlogits | logarithm;log
dlogits = F.log_softmax(logits, 1)
dlogits[range(n), Yb] -= 1
dlogits /= n
## fused softmax, brackets | dlogits | bracket;after
dlogits = F.softmax(logits, 1) / n - F.one_hot(Yb, vocab_size)
## fused norm, statistics constant | dhprebn | constant
dhprebn = bngain * bnvar_inv * dhpreact
## fused norm, variance constant | dhprebn | variance
dhprebn = bngain * bnvar_inv * (dhpreact - dhpreact.mean(0))
## fused norm, mean constant | dhprebn | mean
dhprebn = bngain*bnvar_inv/n * (n*dhpreact - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))
## fused norm, hpreact | dhprebn | hpreact
dhprebn = bngain*bnvar_inv/n * (
  n*dhpreact - dhpreact.sum(0) - n/(n-1)*bnraw*(hpreact*bnraw).sum(0))
## fused norm, values not gradients | dhprebn | hpreact
dhprebn = bngain*bnvar_inv/n * (
  n*hpreact - dhpreact.sum(0) - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))
## fused norm, sums multiplied | dhprebn | product
dhprebn = bngain*bnvar_inv/n * (
  n*dhpreact - dhpreact.sum(0) - n/(n-1)*bnraw*dhpreact.sum(0)*bnraw.sum(0))
## fused norm, n for n - 1 | dhprebn | n / (n - 1);factor n;(n - 1)
dhprebn = bngain*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0) - bnraw*(dhpreact*bnraw).sum(0))
## fused norm, no gain | dhprebn | bngain
dhprebn = bnvar_inv/n * (n*dhpreact - dhpreact.sum(0) - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))
## fused norm, not divided by n | dhprebn | division by n;times n;factor n
dhprebn = bngain*bnvar_inv * (
  n*dhpreact - dhpreact.sum(0) - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))
## fused norm, plus | dhprebn | sign
dhprebn = bngain*bnvar_inv/n * (
  n*dhpreact - dhpreact.sum(0) + n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))
## fused norm, bnraw missing | dhprebn | bnraw
dhprebn = bngain*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0) - n/(n-1)*(dhpreact*bnraw).sum(0))
## fused norm, bnvar for its inverse | dhprebn | bnvar
dhprebn = bngain*bnvar/n * (n*dhpreact - dhpreact.sum(0) - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))
## fused norm, bracket too early | dhprebn | bracket
dhprebn = bngain*bnvar_inv/n * (
  n*dhpreact - dhpreact.sum(0)) - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0)
## fused norm, sum along the units | dhprebn | axis 1
dhprebn = bngain*bnvar_inv/n * (
  n*dhpreact - dhpreact.sum(1, keepdim=True) - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))
## alias of dnorm_logits | dlogits | clone
dlogits = dnorm_logits
dlogits += F.one_hot(logits.max(1).indices, vocab_size) * dlogit_maxes
## alias of dbndiff | dhprebn | clone
dhprebn = dbndiff
dhprebn += dbnmeani / n
## alias by a view | dhprebn | clone
dhprebn = dbndiff.view(n, -1)
dhprebn += dbnmeani / n
## alias by detach | dlogits | clone
dlogits = dnorm_logits.detach()
dlogits[range(n), logits.argmax(1)] += dlogit_maxes[:, 0]
"""
WRONG: dict[str, Wrong] = {
    name: Wrong(gradient, tuple(words.split(";")), code)
    for (name, gradient, words), code in entries(_TEXT)
}
