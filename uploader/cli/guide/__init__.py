"""`init --guide`: the drafted project file, completed by questions on a terminal.

answers     a question and an answer make the next state: text in, text out
questions   what is asked, of what a check found
run         the questions in their order, and what is read for them
screen      a question as lines
terminal    questions shown, answers read, the file saved after each
"""
