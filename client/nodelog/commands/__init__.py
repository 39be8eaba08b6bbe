"""What people type, one module each: `pipe`, `greet`, `status`. `options` has their options.

`pipe` reads with `input` and prints with `tee`; `greet` sends through `shipped`, `plain` or `appending`.
`stopping` is about signals, `saying` about what they tell on standard error.
"""
