package cassandra

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// fakeServer answers each request as answer says: an opcode and a body, or
// opcode 0 for nothing at all.
type fakeServer struct {
	address string
	answer  func(op byte, body []byte) (byte, []byte)
}

// Opcodes and error codes of the protocol.
const (
	fakeError, fakeStartup, fakeReady, fakeAuthenticate = 0x00, 0x01, 0x02, 0x03
	fakeOptions, fakeSupported, fakeAuthResponse        = 0x05, 0x06, 0x0f
	silence                                             = 0xff

	codeProtocol, codeCredentials = 0x000a, 0x0100
)

func startFake(t *testing.T, answer func(op byte, body []byte) (byte, []byte)) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeServer{address: l.Addr().String(), answer: answer}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return f
}

func (f *fakeServer) serve(c net.Conn) {
	defer c.Close()
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[5:]))
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		op, answer := f.answer(head[4], body)
		if op == silence {
			continue
		}
		out := append([]byte{0x84, 0, head[2], head[3], op}, binary.BigEndian.AppendUint32(nil, uint32(len(answer)))...)
		if _, err := c.Write(append(out, answer...)); err != nil {
			return
		}
	}
}

// text is a string as the protocol has it.
func text(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

func errorBody(code uint32, message string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, code), text(message)...)
}

// supported is the body of SUPPORTED without options.
func supported() []byte { return []byte{0, 0} }
