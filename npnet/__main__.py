from npnet.cli import entry

entry()
