"""Small environments that tests play with, found by what they are for; a test may vary one, and writes none of its own.

`plain` shows nothing, `coins` and `dials` are bets and reaches, `lessons` are problems to learn, `games` keep their
actions, `groups` are vector environments, `contexts` and `readings` say and observe odd things, `pictures` are seen,
`breaking` fails.
"""
