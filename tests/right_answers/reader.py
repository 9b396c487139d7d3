# % a stub
pass
