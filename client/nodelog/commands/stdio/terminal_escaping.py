"""Escaping of text from elsewhere, so that it cannot control a terminal."""


def escape(data: bytes) -> str:
    """Return `data` as text with every unprintable character and invalid byte escaped."""
    text = data.decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
