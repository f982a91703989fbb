package doctest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/tools/testenv"
)

// A sandbox is where the examples of one page run. It is used by one goroutine.
type sandbox struct {
	dir      string
	real     map[string]string // ports on the pages and those in their place
	docs     map[string]string // the other way round
	toReals  *regexp.Regexp
	toDocs   *regexp.Regexp
	servers  []*process
	sessions map[string]*session
}

var pagePorts = []string{"5433", "8080", "5434", "8081"}

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	s := &sandbox{dir: t.TempDir(), real: map[string]string{}, docs: map[string]string{}, sessions: map[string]*session{}}
	var reals []string
	for _, p := range pagePorts {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // only when all are chosen, so that they differ
		_, port, _ := net.SplitHostPort(l.Addr().String())
		s.real[p], s.docs[port] = port, p
		reals = append(reals, port)
	}
	s.toReals = regexp.MustCompile(`\b(` + strings.Join(pagePorts, "|") + `)\b`)
	s.toDocs = regexp.MustCompile(`\b(` + strings.Join(reals, "|") + `)\b`)
	if err := os.Symlink(bin, filepath.Join(s.dir, "bin")); err != nil {
		t.Fatal(err)
	}
	writeCertificate(t, s.dir)
	return s
}

func (s *sandbox) toReal(text string) string {
	return s.toReals.ReplaceAllStringFunc(text, func(p string) string { return s.real[p] })
}

func (s *sandbox) toDoc(text string) string {
	return s.toDocs.ReplaceAllStringFunc(text, func(p string) string { return s.docs[p] })
}

// command makes a command in the page's folder.
func (s *sandbox) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = s.dir
	cmd.WaitDelay = 10 * time.Second
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "PHYLLO_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC",
		"PSQLRC=/dev/null", "PHYLLO_SERVER=http://127.0.0.1:"+s.real["8080"])
	return cmd
}

// capture runs a command to its end and returns what it printed.
func (s *sandbox) capture(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := s.command(ctx, name, args...).CombinedOutput()
	return s.toDoc(string(out)), err
}

// shell runs the commands of a block.
func (s *sandbox) shell(t *testing.T, b *block) (string, error) {
	t.Helper()
	out, err := s.capture(t, "bash", "-e", "-o", "pipefail", "-c", s.toReal(b.text))
	switch {
	case b.has("fails") && err == nil:
		return out, fmt.Errorf("the commands should have failed")
	case b.has("fails"):
		err = nil
	}
	if err == nil && (b.has("stops") || b.has("kills")) {
		if len(s.servers) == 0 {
			return out, fmt.Errorf("there is no server to end")
		}
		s.servers[len(s.servers)-1].wait(t, b.has("kills"))
	}
	return out, err
}

// program runs a program of the clients' page.
func (s *sandbox) program(t *testing.T, b *block) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	write := func(name string) string {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, []byte(s.toReal(b.text)), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	switch b.lang {
	case "python":
		python, err := testenv.Python(ctx)
		if err != nil {
			return "", err
		}
		return s.capture(t, python, write("example.py"))
	case "go":
		cmd := s.command(ctx, "go", "run", write("example.go"))
		cmd.Dir = root // whose module has the driver
		out, err := cmd.CombinedOutput()
		return s.toDoc(string(out)), err
	}
	jar, err := testenv.JDBC(ctx)
	if err != nil {
		return "", err
	}
	return s.capture(t, "java", "-cp", jar, write("Example.java"))
}

// A session is a psql that stays open.
type session struct {
	in  io.WriteCloser
	out *bufio.Reader
	n   int
}

// openSession starts psql; it ends with the test.
func (s *sandbox) openSession(t *testing.T) *session {
	t.Helper()
	cmd := s.command(context.Background(), "psql", "-X", "-q", "-d", "postgres://me@127.0.0.1:"+s.real["5433"]+"/phyllo")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		w.CloseWithError(cmd.Wait())
		close(done)
	}()
	t.Cleanup(func() {
		in.Close()
		go io.Copy(io.Discard, r)
		<-done
	})
	p := &session{in: in, out: bufio.NewReader(r)}
	if out, err := p.run("\\set QUIET off\n"); err != nil || out != "" {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return p
}

// run sends statements and returns what they printed.
func (p *session) run(text string) (string, error) {
	p.n++
	mark := fmt.Sprintf("-- end of block %d --", p.n)
	if _, err := io.WriteString(p.in, text+"\n\\echo '"+mark+"'\n"); err != nil {
		return "", err
	}
	var out strings.Builder
	for {
		line, err := p.out.ReadString('\n')
		if strings.TrimSuffix(line, "\n") == mark {
			return out.String(), nil
		}
		out.WriteString(line)
		if err != nil {
			return out.String(), fmt.Errorf("psql ended: %w", err)
		}
	}
}

var failedStatement = regexp.MustCompile(`(?m)^(ERROR|FATAL|psql: error):`)

// sql runs the statements of a block.
func (s *sandbox) sql(t *testing.T, b *block) (string, error) {
	t.Helper()
	name, named := b.words["session"]
	p := s.sessions[name]
	if p == nil || !named {
		p = s.openSession(t)
	}
	if named {
		s.sessions[name] = p
	}
	out, err := p.run(s.toReal(b.text))
	out = s.toDoc(out)
	if err == nil && b.output == nil && failedStatement.MatchString(out) {
		err = fmt.Errorf("a statement failed")
	}
	return out, err
}
