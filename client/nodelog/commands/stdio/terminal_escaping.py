"""Escaping of text from elsewhere, so that it cannot control a terminal."""


def escape(data: bytes) -> str:
    """Return `data` as text with every unprintable character and invalid byte escaped."""
    text = data.decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def escape_text(text: str) -> str:
    """Return `text` on one line, escaped like its bytes; surrogate escapes are the bytes they stand for."""
    return escape(text_bytes(text))


def text_bytes(text: str) -> bytes:
    """Return the bytes of a text; surrogate escapes become their bytes, other lone surrogates are escaped."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace")
