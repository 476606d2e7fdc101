#!/usr/bin/env python3
"""Knocks at a machine made of network namespaces, before and after each file of nftables rules is loaded.

    namespaces.py RULES...      prints: RULES-FILE|none WHO PROTOCOL/PORT, for each port that answers

The machine has an interface to the world (a stranger), one to the private network (worker1, ci), and a
container behind published ports, which are DNAT as Docker makes it. Needs root in namespaces of its own.
"""
import json
import select
import socket
import subprocess
import sys
import threading
import time

HOST_TCP, CONTAINER_TCP, UDP = [22, 2377, 5000, 7946, 9999], [80, 443, 9000], [4789, 7946, 9999]
WHO = {"stranger": ("203.0.113.99", "203.0.113.11"), "worker1": ("10.0.0.12", "10.0.0.11"), "ci": ("10.0.0.13", "10.0.0.11")}
CALLED = ("172.17.0.2", "203.0.113.99")  # the container calls the world


def sh(command, **kwargs):
    return subprocess.run(command, shell=True, check=True, **kwargs)


def namespace():
    process = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    while subprocess.run(["readlink", f"/proc/{process.pid}/ns/net"], capture_output=True).stdout == OWN:
        time.sleep(0.01)
    return process.pid


def inside(pid, *arguments, **kwargs):
    return subprocess.Popen(["nsenter", "--target", str(pid), "--net", "python3", __file__, *arguments], stdout=subprocess.PIPE, text=True, **kwargs)


def listen(tcp, udp):
    sockets = []
    for kind, ports in (socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp):
        for port in ports:
            s = socket.socket(socket.AF_INET, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("", port))
            if kind == socket.SOCK_STREAM:
                s.listen(64)
            sockets.append(s)
    print("listening", flush=True)
    while True:
        for s in select.select(sockets, [], [])[0]:
            if s.type == socket.SOCK_STREAM:
                s.accept()[0].close()
            else:
                s.sendto(b"here", s.recvfrom(16)[1])


def knock(source, target, protocol, port, answered):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(1)
    try:
        s.bind((source, 0))
        s.connect((target, port))
        if protocol == "udp":
            s.send(b"?")
            s.recv(16)
        answered.append(f"{protocol}/{port}")
    except (TimeoutError, ConnectionRefusedError):
        pass
    finally:
        s.close()


def knocks(source, target, doors):
    answered = []
    threads = [threading.Thread(target=knock, args=(source, target, *door, answered)) for door in doors]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print("\n".join(answered))


def main(files):
    world, private, container = namespace(), namespace(), namespace()
    for interface, address, pid, peers in (
        ("ext0", "203.0.113.11/24", world, ["203.0.113.99/24"]),
        ("priv0", "10.0.0.11/24", private, ["10.0.0.12/24", "10.0.0.13/24"]),
        ("docker0", "172.17.0.1/16", container, ["172.17.0.2/16"]),
    ):
        sh(f"ip link add {interface} type veth peer name eth0 netns {pid} && ip address add {address} dev {interface} && ip link set {interface} up")
        for peer in peers:
            sh(f"nsenter --target {pid} --net ip address add {peer} dev eth0")
        sh(f"nsenter --target {pid} --net ip link set eth0 up")
    sh(f"nsenter --target {container} --net ip route add default via 172.17.0.1")
    sh("""nft 'table ip as_docker {
        chain prerouting { type nat hook prerouting priority dstnat; iifname != "docker0" tcp dport { %s } dnat to 172.17.0.2; }
        chain postrouting { type nat hook postrouting priority srcnat; ip saddr 172.17.0.0/16 oifname != "docker0" masquerade; }
        chain forward { type filter hook forward priority filter; accept; }
    }'""" % ", ".join(map(str, CONTAINER_TCP)))
    servers = [
        subprocess.Popen(["python3", __file__, "listen", json.dumps([HOST_TCP, UDP])], stdout=subprocess.PIPE, text=True),
        inside(container, "listen", json.dumps([CONTAINER_TCP, []])),
        inside(world, "listen", json.dumps([[7000], []])),
    ]
    for server in servers:
        server.stdout.readline()

    doors = [("tcp", p) for p in HOST_TCP + CONTAINER_TCP] + [("udp", p) for p in UDP]
    for rules in ["none", *files]:
        if rules != "none":
            for _ in range(2):  # what is loaded is replaced
                sh(f"nft -f {rules}")
        asking = {who: inside(world if who == "stranger" else private, "knock", json.dumps([*WHO[who], doors])) for who in WHO}
        asking["container"] = inside(container, "knock", json.dumps([*CALLED, [("tcp", 7000)]]))
        for who, process in asking.items():
            for line in process.communicate()[0].split():
                print(rules, who, line)


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        listen(*json.loads(sys.argv[2]))
    elif sys.argv[1] == "knock":
        knocks(*json.loads(sys.argv[2]))
    else:
        OWN = subprocess.run(["readlink", "/proc/self/ns/net"], capture_output=True).stdout
        main(sys.argv[1:])
