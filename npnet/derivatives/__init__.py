"""The operations of npnet.tensors on plain arrays, each with its derivatives."""
