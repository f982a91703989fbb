package testenv

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// The little of CQL's protocol, version 4, that tells whether a server is ready.
// The driver is not used: only the store may know it.
const (
	opError        = 0x00
	opStartup      = 0x01
	opReady        = 0x02
	opAuthenticate = 0x03
	opOptions      = 0x05
	opSupported    = 0x06
	opQuery        = 0x07
	opResult       = 0x08
	opAuthResponse = 0x0F
	opAuthSuccess  = 0x10

	codeBadCredentials = 0x0100
)

// cqlTimeout bounds what is asked over one connection; a server gives up after 5 s.
const cqlTimeout = 10 * time.Second

// A cqlError is what a server answered instead of a result.
type cqlError struct {
	code    uint32
	message string
}

func (e *cqlError) Error() string { return fmt.Sprintf("CQL error 0x%04x: %s", e.code, e.message) }

// cqlConn is a connection to one node.
type cqlConn struct{ net.Conn }

func dialCQL(ctx context.Context, host string, port int, config *tls.Config) (*cqlConn, error) {
	address := net.JoinHostPort(host, strconv.Itoa(port))
	dialer := &net.Dialer{Timeout: cqlTimeout}
	var conn net.Conn
	var err error
	if config != nil {
		conn, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = dialer.DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(cqlTimeout)); err != nil {
		conn.Close()
		return nil, err
	}
	return &cqlConn{conn}, nil
}

// ask sends a request and returns its answer.
func (c *cqlConn) ask(op byte, body []byte) (byte, []byte, error) {
	frame := append([]byte{4, 0, 0, 0, op}, binary.BigEndian.AppendUint32(nil, uint32(len(body)))...)
	if _, err := c.Write(append(frame, body...)); err != nil {
		return 0, nil, err
	}
	var header [9]byte
	if _, err := io.ReadFull(c, header[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(header[5:])
	if size > 1<<20 {
		return 0, nil, fmt.Errorf("an answer of %d bytes", size)
	}
	answer := make([]byte, size)
	if _, err := io.ReadFull(c, answer); err != nil {
		return 0, nil, err
	}
	if header[4] != opError {
		return header[4], answer, nil
	}
	if len(answer) < 6 {
		return 0, nil, fmt.Errorf("an error of %d bytes", size)
	}
	return 0, nil, &cqlError{binary.BigEndian.Uint32(answer), string(answer[6:])}
}

// expect asks and wants one of the answers.
func (c *cqlConn) expect(op byte, body []byte, want ...byte) (byte, error) {
	got, _, err := c.ask(op, body)
	if err == nil && !bytes.Contains(want, []byte{got}) {
		err = fmt.Errorf("request 0x%02x: the answer is 0x%02x, want one of % x", op, got, want)
	}
	return got, err
}

// options asks what the server supports, which it tells anybody when it is up.
func (c *cqlConn) options() error {
	_, err := c.expect(opOptions, nil, opSupported)
	return err
}

// login starts a session, with the name and password if the server wants them.
func (c *cqlConn) login(user, password string) error {
	body := binary.BigEndian.AppendUint16(nil, 1) // a map of one entry
	body = appendShortString(appendShortString(body, "CQL_VERSION"), "3.0.0")
	got, err := c.expect(opStartup, body, opReady, opAuthenticate)
	if err != nil || got == opReady {
		return err
	}
	_, err = c.expect(opAuthResponse, appendLongString(nil, "\x00"+user+"\x00"+password), opAuthSuccess)
	return err
}

// ints runs a statement and returns its rows of one column of type int, without
// the NULLs. As many copies as replicas says, 1 to 3, have to take part.
func (c *cqlConn) ints(statement string, replicas int) ([]int32, error) {
	const withoutTypes = 0x02
	body := appendLongString(nil, statement)
	body = binary.BigEndian.AppendUint16(body, uint16(replicas)) // consistency ONE, TWO and THREE are 1, 2 and 3
	op, answer, err := c.ask(opQuery, append(body, withoutTypes))
	if err != nil {
		return nil, err
	}
	out, ok := parseInts(answer)
	if op != opResult || !ok {
		return nil, fmt.Errorf("%s: answer 0x%02x, % x", statement, op, answer)
	}
	return out, nil
}

// parseInts reads a result that has one column and comes without its type.
func parseInts(answer []byte) (out []int32, ok bool) {
	const kindRows, morePages, noTypes = 2, 0x02, 0x04
	r := bytes.NewReader(answer)
	var header struct{ Kind, Flags, Columns, Rows int32 }
	if binary.Read(r, binary.BigEndian, &header) != nil || header.Kind != kindRows ||
		header.Flags&(morePages|noTypes) != noTypes || header.Columns != 1 {
		return nil, false
	}
	for range header.Rows {
		var size, value int32
		if binary.Read(r, binary.BigEndian, &size) != nil {
			return nil, false
		}
		if size < 0 {
			continue
		}
		if size != 4 || binary.Read(r, binary.BigEndian, &value) != nil {
			return nil, false
		}
		out = append(out, value)
	}
	return out, r.Len() == 0
}

func appendShortString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

func appendLongString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}
