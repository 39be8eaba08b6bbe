"""`logd`: takes lines from the applications of a node and puts them on its disk."""
