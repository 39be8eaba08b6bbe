"""What people type, one module each: `pipe`, `greet`, `status`, `archive`.

`options` and `archive_options` have their options. `pipe` reads with `input` and prints with `tee`; `greet`
sends through `shipped`, `plain` or `appending`; `archive` prints with `listing`. `stopping` is about signals,
`saying` and `progress` about what they tell on standard error.
"""
