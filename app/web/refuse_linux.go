package web

import (
	"cmp"
	"math"
	"net"

	"golang.org/x/sys/unix"
)

// noInterface is the index of a network interface that there is not.
const noInterface = math.MaxInt32

// refuseNew refuses whoever connects from now on, and the server goes on accepting those that are
// connected: a listener that is bound to an interface takes no connection from any other (socket(7),
// SO_BINDTODEVICE; any user may bind since Linux 5.7). Closing it would reset what is still in its queue,
// though such a client believes itself connected and may have sent its request: a proxy cannot know
// whether that was done, and must not send it again. Who is refused asks elsewhere.
func refuseNew(listener net.Listener) error {
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, noInterface)
	})
	return cmp.Or(failed, err)
}
