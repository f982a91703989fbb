package sqlwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Codes that stand where a start-up packet has its protocol version.
const (
	cancelRequest = 1234<<16 | 5678
	sslRequest    = 1234<<16 | 5679
	gssEncRequest = 1234<<16 | 5680
)

// protocolVersion is the one that is spoken: 3.0.
const protocolVersion = 3 << 16

// maxPacketBytes bounds a start-up packet, as in PostgreSQL.
const maxPacketBytes = 10_000

// A packet is what a client may send before messages have types.
type packet struct {
	code uint32
	body []byte // after the code
}

// readPacket reads a packet and not a byte more, so that what follows an
// SSLRequest in plain text cannot be mistaken for what follows the handshake.
func readPacket(r io.Reader) (packet, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return packet{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 8 || n > maxPacketBytes {
		return packet{}, errors.New("invalid length of startup packet")
	}
	body := make([]byte, n-4)
	if _, err := io.ReadFull(r, body); err != nil {
		return packet{}, err
	}
	return packet{binary.BigEndian.Uint32(body), body[4:]}, nil
}

// parameters reads the names and values of a start-up message.
func (p packet) parameters() (map[string]string, error) {
	bad := pgerr.New(pgerr.ProtocolViolation, "invalid startup packet layout: expected terminator as last byte")
	out := map[string]string{}
	rest := p.body
	next := func() (string, bool) {
		i := bytes.IndexByte(rest, 0)
		if i < 0 {
			return "", false
		}
		s := string(rest[:i])
		rest = rest[i+1:]
		return s, true
	}
	for {
		name, ok := next()
		if !ok {
			return nil, bad
		}
		if name == "" {
			break
		}
		value, ok := next()
		if !ok {
			return nil, bad
		}
		out[name] = value
	}
	if len(rest) > 0 {
		return nil, bad
	}
	return out, nil
}
