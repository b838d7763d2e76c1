"""What to do when: facts and `now` in, decisions out. Pure.

`when` a token is due, with which of the `grants` it is obtained, and when what failed is tried
`again`.
"""
