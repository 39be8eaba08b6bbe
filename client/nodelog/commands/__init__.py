"""What people type, one module each: `pipe`, `greet`, `status`, `archive`, `tail`.

`options` and `archive_options` have their options. `pipe` reads with `input` and prints with `tee`, others by
`printing`. `greet` sends through `shipped`, `plain` or `appending`; `archive` shows members with `listing`.
`stopping` is about signals, `saying` and `progress` about what they tell on standard error.
"""
