"""A stand-in for a container engine: sends what it is asked to, as nobody's agent.

    engine.py TARGET4 PORT SOCKET...
"""
import os, select, socket, sys

to = (sys.argv[1], int(sys.argv[2]))
ears = []
for path in sys.argv[3:]:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    ear.bind(path)
    os.chmod(path, 0o666)
    ear.listen()
    ears.append(ear)
print("listening", flush=True)
while True:
    for ear in select.select(ears, [], [])[0]:
        caller, _ = ear.accept()
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(caller.recv(4096), to)
        caller.close()
