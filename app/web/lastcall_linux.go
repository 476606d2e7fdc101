package web

import (
	"cmp"
	"net"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// lastCallTime is how long connections that the kernel made before the call take to be accepted, on a
// machine that is busy.
const lastCallTime = 300 * time.Millisecond

const flagSYN, flagACK = 0x02, 0x10 // RFC 9293, 3.1

// noNewConnections drops SYN, the packet that asks for a connection, and lets all others through. For
// a TCP socket the filter sees the packet from the TCP header on.
var noNewConnections = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 13, Size: 1}, // the flags
	bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: flagSYN | flagACK},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: flagSYN, SkipFalse: 1},
	bpf.RetConstant{Val: 0},
	bpf.RetConstant{Val: 1 << 18}, // bytes to keep: all
}

// lastCall lets no new client connect and gives the server time to accept those that have. Closing a
// listener resets what is still in its queue, though such a client believes itself connected and may
// have sent its request: a proxy cannot know whether that was done and must not send it again. A
// client that knocks after the call finds the door closed, and asks elsewhere.
func lastCall(listener net.Listener) error {
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	assembled, err := bpf.Assemble(noNewConnections)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(assembled))
	for i, in := range assembled {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	failed := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
	})
	if failed != nil || err != nil {
		return cmp.Or(failed, err)
	}
	time.Sleep(lastCallTime)
	return nil
}
