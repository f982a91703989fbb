package cassandratest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy stands between stores and a server. It reads frames of protocol
// version 4 and does to conditional appends what fault says.
type proxy struct {
	t      *testing.T
	listen net.Listener
	server string
	match  string // in the text of the requests that suffer
	fault  func() fault
	delay  time.Duration // of late requests
	// spoil, if set, tells whether the answer to a request with that text, at
	// that consistency level, arrives with a wrong byte in its middle.
	spoil func(text string, level uint16) bool

	wg sync.WaitGroup

	mu     sync.Mutex        // guards the following
	texts  map[string]string // of prepared statements by ID
	conns  map[net.Conn]bool
	counts map[fault]int
	down   bool
}

// fault is what becomes of a conditional append.
type fault int

const (
	pass       fault = iota
	loseAnswer       // the server does it; the answer does not arrive
	loseAsk          // the server never hears of it
	late             // the server hears of it long after the client has given up
	cut              // the connection breaks after the server has got it
)

func (f fault) String() string {
	return [...]string{"passed", "answers lost", "requests lost", "requests late", "connections cut"}[f]
}

const (
	opQuery, opPrepare, opExecute, opBatch = 0x07, 0x09, 0x0a, 0x0d
	opResult                               = 0x08
	kindPrepared                           = 4
)

// newProxy starts a proxy; choose is called for each conditional append.
func newProxy(t *testing.T, server string, delay time.Duration, choose func() fault) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listen: l, server: server, match: "IF head", fault: choose, delay: delay,
		texts: map[string]string{}, conns: map[net.Conn]bool{}, counts: map[fault]int{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.cutAll(true)
		p.wg.Wait()
	})
	return p
}

// randomFaults chooses faults with a seed: of 100 appends that many suffer.
// Their kinds are dealt like cards, four at a
// time, so that a short run meets each of them.
func randomFaults(seed uint64, percent int) func() fault {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 1))
	var deck []fault
	return func() fault {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(100) >= percent {
			return pass
		}
		if len(deck) == 0 {
			deck = []fault{loseAnswer, loseAsk, late, cut}
			rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		dealt := deck[0]
		deck = deck[1:]
		return dealt
	}
}

// dial connects to the proxy, whichever server is meant.
func (p *proxy) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, p.listen.Addr().String())
}

// cutAll breaks all connections, and refuses new ones if down.
func (p *proxy) cutAll(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

func (p *proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		down := p.down
		if !down {
			p.conns[client] = true
		}
		p.mu.Unlock()
		if down {
			client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			p.t.Errorf("proxy: %v", err)
			client.Close()
			return
		}
		c := &proxied{proxy: p, client: client, server: server, prepares: map[uint16]string{}, swallow: map[uint16]bool{}, spoiled: map[uint16]bool{}}
		p.wg.Go(c.requests)
		p.wg.Go(c.answers)
	}
}

// proxied is one connection.
type proxied struct {
	*proxy
	client, server net.Conn

	write    sync.Mutex        // of frames to the server
	mu       sync.Mutex        // guards the following
	prepares map[uint16]string // texts by stream
	swallow  map[uint16]bool   // streams whose answer is lost
	spoiled  map[uint16]bool   // streams whose answer comes damaged
}

func (c *proxied) close() {
	c.client.Close()
	c.server.Close()
	c.proxy.mu.Lock()
	delete(c.conns, c.client)
	c.proxy.mu.Unlock()
}

// frame is a frame with its header.
type frame []byte

func (f frame) stream() uint16 { return binary.BigEndian.Uint16(f[2:]) }
func (f frame) op() byte       { return f[4] }
func (f frame) body() []byte   { return f[9:] }

func readFrame(r io.Reader) (frame, error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	f := append(head, make([]byte, binary.BigEndian.Uint32(head[5:]))...)
	_, err := io.ReadFull(r, f[9:])
	return f, err
}

func (c *proxied) requests() {
	defer c.close()
	for {
		f, err := readFrame(c.client)
		if err != nil {
			return
		}
		if f.op() == opPrepare {
			n := binary.BigEndian.Uint32(f.body())
			c.mu.Lock()
			c.prepares[f.stream()] = string(f.body()[4 : 4+n])
			c.mu.Unlock()
		}
		what := pass
		text := c.text(f)
		if f.op() == opExecute && c.spoil != nil && c.spoil(text, level(f)) {
			c.mu.Lock()
			c.spoiled[f.stream()] = true
			c.mu.Unlock()
		}
		if strings.Contains(text, c.match) {
			what = c.fault()
			c.proxy.mu.Lock()
			c.counts[what]++
			c.proxy.mu.Unlock()
		}
		switch what {
		case loseAsk:
			continue
		case loseAnswer:
			c.mu.Lock()
			c.swallow[f.stream()] = true
			c.mu.Unlock()
		case late:
			timer := time.After(c.delay)
			c.proxy.wg.Go(func() {
				<-timer
				c.send(f) // its answer finds nobody, and is thrown away by the driver
			})
			continue
		}
		if !c.send(f) || what == cut {
			return
		}
	}
}

func (c *proxied) send(f frame) bool {
	c.write.Lock()
	defer c.write.Unlock()
	_, err := c.server.Write(f)
	return err == nil
}

// text returns the text of the first statement of a request, "" if unknown.
func (c *proxied) text(f frame) string {
	b := f.body()
	switch f.op() {
	case opQuery:
		return string(b[4 : 4+binary.BigEndian.Uint32(b)])
	case opBatch:
		if b[3] == 0 {
			return string(b[8 : 8+binary.BigEndian.Uint32(b[4:])])
		}
		b = b[4:]
	case opExecute:
	default:
		return ""
	}
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	return c.texts[string(b[2:2+binary.BigEndian.Uint16(b)])]
}

// level returns the consistency level of an EXECUTE.
func level(f frame) uint16 {
	b := f.body()
	return binary.BigEndian.Uint16(b[2+binary.BigEndian.Uint16(b):])
}

func (c *proxied) answers() {
	defer c.close()
	for {
		f, err := readFrame(c.server)
		if err != nil {
			return
		}
		c.mu.Lock()
		text, prepared := c.prepares[f.stream()]
		delete(c.prepares, f.stream())
		lost := c.swallow[f.stream()]
		delete(c.swallow, f.stream())
		if c.spoiled[f.stream()] {
			delete(c.spoiled, f.stream())
			f[9+len(f.body())/2] ^= 0x40
		}
		c.mu.Unlock()
		if b := f.body(); prepared && f.op() == opResult && binary.BigEndian.Uint32(b) == kindPrepared {
			n := binary.BigEndian.Uint16(b[4:])
			c.proxy.mu.Lock()
			c.texts[string(bytes.Clone(b[6:6+n]))] = text
			c.proxy.mu.Unlock()
		}
		if lost {
			continue
		}
		if _, err := c.client.Write(f); err != nil {
			if !errors.Is(err, net.ErrClosed) {
				c.server.Close()
			}
			return
		}
	}
}
