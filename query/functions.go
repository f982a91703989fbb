package query

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/function"
)

// This file is what functions ask of the session: function.Session.

// User is the session's user.
func (s *Session) User() string { return s.opt.User }

// Database is the name of the database it is connected to.
func (s *Session) Database() string {
	if s.txn != nil {
		return s.txn.Catalog().Database
	}
	return s.opt.Database
}

// BackendPID is the number that cancel requests name.
func (s *Session) BackendPID() int32 { return s.pid }

// Setting returns a parameter as SHOW prints it.
func (s *Session) Setting(name string) (string, bool) {
	switch strings.ToLower(name) {
	case "transaction_isolation":
		return s.level, true
	case "transaction_read_only":
		return onOff(s.readOnly), true
	case "transaction_deferrable":
		return onOff(s.deferrable), true
	}
	return s.settings.Show(name)
}

// SetSetting changes a parameter.
func (s *Session) SetSetting(name, value string, local bool) error {
	err := s.settings.Set(name, value, local)
	s.env = nil
	return err
}

// SearchPath returns the schemas in which names are looked up, in order; with
// implicit, the schema of temporary relations and pg_catalog come first unless the path
// names them.
func (s *Session) SearchPath(implicit bool) []string {
	raw, _ := s.settings.Raw("search_path")
	var path []string
	named := false
	names := splitNames(raw)
	if s.creating != "" {
		names = append([]string{s.creating}, names...)
	}
	for _, name := range names {
		if name == "$user" {
			name = s.opt.User
		}
		if name == bind.TempAlias {
			name = s.temporarySchema()
		}
		if name == "pg_catalog" {
			named = true
		}
		if s.hasNamespace(name) {
			path = append(path, name)
		}
	}
	if implicit && !named {
		path = append([]string{"pg_catalog"}, path...)
	}
	if temp := s.temporarySchema(); implicit && temp != "" && !slices.Contains(path, temp) {
		path = append([]string{temp}, path...)
	}
	return path
}

func (s *Session) hasNamespace(name string) bool {
	if s.txn == nil {
		return name == "public" || name == "pg_catalog" || name == "information_schema"
	}
	for _, n := range s.txn.Catalog().Namespaces {
		if n.Name == name {
			return true
		}
	}
	return false
}

// splitNames splits a list of identifiers such as search_path's value.
func splitNames(s string) []string {
	var out []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		var name string
		if s[0] == '"' {
			var b strings.Builder
			i := 1
			for i < len(s) {
				if s[i] == '"' {
					if i+1 >= len(s) || s[i+1] != '"' {
						break
					}
					i++
				}
				b.WriteByte(s[i])
				i++
			}
			name, s = b.String(), s[min(i+1, len(s)):]
			if i := strings.IndexByte(s, ','); i >= 0 {
				s = s[i+1:]
			} else {
				s = ""
			}
		} else {
			name, s, _ = strings.Cut(s, ",")
			name = strings.ToLower(strings.TrimSpace(name))
		}
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// Cancel and terminate other sessions.
func (s *Session) Cancel(pid int32, terminate bool) bool { return s.engine.signal(pid, terminate) }

// TransactionStart is what now() answers.
func (s *Session) TransactionStart() time.Time { return s.txnStart }

// ExprText writes an expression that the definition of a table, a view or a domain has.
func (s *Session) ExprText(sql string, of datum.OID, pretty bool) string {
	if s.txn == nil {
		return sql
	}
	env, catalog := s.bindEnv(context.Background(), nil, true), s.txn.Catalog()
	var text string
	var err error
	switch d, v := catalog.Types[of], catalog.Views[of]; {
	case d != nil:
		text, err = bind.DomainText(env, d, sql, pretty)
	case v != nil:
		text, err = bind.ExprText(env, bind.ViewFace(v), sql, pretty)
	default:
		text, err = bind.ExprText(env, catalog.Tables[of], sql, pretty)
	}
	if err != nil {
		return sql // of what cannot be bound any more
	}
	return text
}

// WritableColumns says which columns of a view can be written to; nil if nothing can be.
func (s *Session) WritableColumns(v *schema.View) []bool {
	if s.txn == nil {
		return nil
	}
	return bind.WritableColumns(s.bindEnv(context.Background(), nil, true), v)
}

// Random is the session's generator, for random() and setseed().
func (s *Session) Random() *function.Random { return &s.random }

// TableSize is the size on disk of a table's chunks in bytes.
func (s *Session) TableSize(table datum.OID) int64 { return s.engine.opt.Storage.TableSize(table) }

// Position is that of the newest transaction that the statement sees.
func (s *Session) Position() int64 {
	if s.txn == nil {
		return 0
	}
	return s.txn.Position()
}

// PauseCompaction pauses compaction in the background, or lets it go on.
func (s *Session) PauseCompaction(pause bool) bool {
	st := s.engine.opt.Storage
	was := st.CompactionPaused()
	st.PauseCompaction(pause)
	return was != pause
}
