"""What people type, one module each: `pipe`, `greet`, `status`, `archive`, `tail`.

`options` and `archive_options` have their options. `pipe` reads with `input` and prints with `tee`, the others
with `printing`; `greet` sends through `shipped`, `plain` or `appending`; `listing` is how `archive list` looks.
`stopping` is about signals, `saying` and `progress` about what they tell on standard error.
"""
