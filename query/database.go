package query

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/storage"
)

// Databases are namespaces of schemas: a transaction's catalogue is what one of them shows, so
// that nothing but this file, and who lists them, knows that there are others.

// findDatabase returns the OID of the database that a session asks for, 0 for the first one.
func (e *Engine) findDatabase(name string) (datum.OID, error) {
	if name == e.opt.Database {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectWait)
	defer cancel()
	txn, err := e.opt.Storage.Begin(ctx, storage.TxnOptions{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer txn.Rollback()
	if err := txn.Snapshot(ctx); err != nil {
		return 0, err
	}
	if d := txn.Catalog().DatabaseNamed(name); d != nil {
		return d.OID, nil
	}
	return 0, errNoDatabase(name).WithHint("CREATE DATABASE makes one; the first one is called %q.", e.opt.Database)
}

// sameDatabase says why a session that has just been registered is not in the database that it
// asked for: it may have been dropped or renamed before anybody could see the session.
func (e *Engine) sameDatabase(s *Session) error {
	if s.database == 0 {
		return nil
	}
	now, err := e.findDatabase(s.opt.Database)
	if err == nil && now != s.database {
		err = errNoDatabase(s.opt.Database)
	}
	return err
}

// connectWait bounds how long a connection waits to learn which databases there are.
const connectWait = 30 * time.Second

func errNoDatabase(name string) *pgerr.Error {
	return pgerr.New(pgerr.InvalidCatalogName, "database %q does not exist", name)
}

// createDatabase is CREATE DATABASE.
func (s *Session) createDatabase(ctx context.Context, st *ast.CreateDatabase) error {
	if s.inBlock() {
		return pgerr.New(pgerr.ActiveTransaction, "CREATE DATABASE cannot run inside a transaction block")
	}
	owner := s.opt.User
	for _, o := range st.Options {
		if o.Name == "owner" && !isDefault(o) {
			owner = o.Value
		}
		if err := checkDatabaseOption(o); err != nil {
			return err
		}
	}
	if err := s.ensureRole(ctx); err != nil {
		return err
	}
	if s.txn.Catalog().Roles[owner] == nil {
		return pgerr.New(pgerr.UndefinedObject, "role %q does not exist", owner)
	}
	if s.txn.Catalog().DatabaseNamed(st.Name) != nil {
		return pgerr.New(pgerr.DuplicateDatabase, "database %q already exists", st.Name)
	}
	first, err := s.takeOIDs(ctx, 2)
	if err != nil {
		return err
	}
	d := &schema.Database{OID: first, Name: st.Name, Owner: owner, Public: first + 1}
	if err := s.txn.Apply(ctx, schema.Change{PutDatabase: d}); err != nil {
		return err
	}
	public := &schema.Namespace{OID: d.Public, Name: "public", Owner: "pg_database_owner", Database: d.OID}
	return s.txn.Apply(ctx, schema.Change{PutNamespace: public})
}

func isDefault(o ast.Option) bool { return o.Kind == ast.OptionWord && o.Value == "default" }

// checkDatabaseOption refuses what a database cannot be made with: all have the encoding
// UTF-8 and the collation C, and begin empty.
func checkDatabaseOption(o ast.Option) error {
	value := strings.ToLower(o.Value)
	ok := isDefault(o)
	switch o.Name {
	case "owner":
		ok = true
	case "template":
		ok = ok || value == "template0" || value == "template1"
	case "encoding":
		ok = ok || value == "utf8" || value == "utf-8" || value == "unicode" || value == "6"
	case "locale", "lc_collate", "lc_ctype":
		ok = ok || value == "c" || value == "posix" || value == "c.utf-8" || value == "c.utf8"
	case "locale_provider":
		ok = ok || value == "libc"
	case "tablespace":
		ok = ok || value == "pg_default"
	case "connection limit":
		ok = ok || value == "-1"
	case "allow_connections":
		ok = ok || value == "true" || value == "on" || value == "1"
	case "is_template":
		ok = ok || value == "false" || value == "off" || value == "0"
	case "strategy":
		ok = ok || value == "wal_log" || value == "file_copy"
	default:
		return pgerr.New(pgerr.SyntaxError, "option %q not recognized", o.Name).At(o.Pos.Position())
	}
	if !ok {
		return pgerr.Unsupported("a database with %s %q is not supported", strings.ToUpper(o.Name), o.Value).
			WithHint("Databases begin empty, with the encoding UTF8 and the locale C.").At(o.Pos.Position())
	}
	return nil
}

// alterDatabase is ALTER DATABASE ... RENAME TO and OWNER TO.
func (s *Session) alterDatabase(ctx context.Context, st *ast.AlterDatabase) error {
	c := s.txn.Catalog()
	old := c.DatabaseNamed(st.Name)
	switch {
	case old == nil:
		return errNoDatabase(st.Name)
	case old.OID == c.First().OID:
		return pgerr.Unsupported("the first database of a store cannot be altered").
			WithHint("Its name is the server's setting; others can be made with CREATE DATABASE.")
	}
	d := *old
	switch {
	case st.Owner != "":
		if c.Roles[st.Owner] == nil {
			return pgerr.New(pgerr.UndefinedObject, "role %q does not exist", st.Owner)
		}
		d.Owner = st.Owner
	case c.DatabaseNamed(st.NewName) != nil:
		return pgerr.New(pgerr.DuplicateDatabase, "database %q already exists", st.NewName)
	case old.OID == c.DatabaseOID:
		return pgerr.Unsupported("current database cannot be renamed")
	default:
		if err := s.closeDatabase(ctx, old); err != nil {
			return err
		}
		d.Name = st.NewName
	}
	return s.txn.Apply(ctx, schema.Change{PutDatabase: &d})
}

// commentDatabase is COMMENT ON DATABASE.
func (s *Session) commentDatabase(ctx context.Context, st *ast.Comment, text string) error {
	c := s.txn.Catalog()
	old := c.DatabaseNamed(st.Name.Name)
	switch {
	case old == nil:
		return errNoDatabase(st.Name.Name)
	case old.OID == c.First().OID:
		return pgerr.Unsupported("a comment on the first database of a store is not supported")
	}
	d := *old
	d.Comment = text
	return s.txn.Apply(ctx, schema.Change{PutDatabase: &d})
}

// dropDatabase is DROP DATABASE.
func (s *Session) dropDatabase(ctx context.Context, st *ast.Drop) error {
	if s.inBlock() {
		return pgerr.New(pgerr.ActiveTransaction, "DROP DATABASE cannot run inside a transaction block")
	}
	c, name := s.txn.Catalog(), st.Names[0].Name
	d := c.DatabaseNamed(name)
	switch {
	case d == nil && st.IfExists:
		s.notify("database %q does not exist, skipping", name)
		return nil
	case d == nil:
		return errNoDatabase(name)
	case d.OID == c.DatabaseOID:
		return pgerr.New(pgerr.ObjectInUse, "cannot drop the currently open database")
	case d.OID == c.First().OID:
		return pgerr.Unsupported("the first database of a store cannot be dropped").WithHint("Drop what is in it.")
	}
	s.refuseSessions(d)
	if st.Force {
		s.engine.endSessions(d.OID)
	}
	if err := s.closeDatabase(ctx, d); err != nil {
		return err
	}
	for _, change := range emptied(c.In(d.OID), d) {
		if err := s.txn.Apply(ctx, change); err != nil {
			return err
		}
	}
	return nil
}

// emptied are the changes that drop a database with all that is in it. Nothing refers from
// one database to another, so that only the order within it matters.
func emptied(c *schema.Catalog, d *schema.Database) (out []schema.Change) {
	for oid := range c.Views {
		out = append(out, schema.Change{DropView: oid})
	}
	for _, t := range c.Tables {
		if len(t.ForeignKeys) > 0 {
			free := *t
			free.ForeignKeys = nil
			out = append(out, schema.Change{PutTable: &free})
		}
	}
	for oid := range c.Tables {
		out = append(out, schema.Change{DropTable: oid})
	}
	for oid := range c.Sequences {
		out = append(out, schema.Change{DropSequence: oid})
	}
	for oid := range c.Types {
		out = append(out, schema.Change{DropType: oid})
	}
	for oid, n := range c.Namespaces {
		if n.Database == d.OID {
			out = append(out, schema.Change{DropNamespace: oid})
		}
	}
	return append(out, schema.Change{DropDatabase: d.OID})
}

// unusedWait is how long a database may go on to be used that is to be dropped: clients that
// have gone are noticed a moment later.
const unusedWait = 5 * time.Second

// refuseSessions lets nobody of this node connect to a database until the transaction ends.
func (s *Session) refuseSessions(d *schema.Database) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	if !slices.Contains(s.closed, d.OID) { // a statement may begin again
		s.closed = append(s.closed, d.OID)
		s.engine.closed[d.OID]++
	}
}

// reopenDatabases ends what refuseSessions began.
func (s *Session) reopenDatabases() {
	if len(s.closed) == 0 {
		return
	}
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	for _, oid := range s.closed {
		if s.engine.closed[oid]--; s.engine.closed[oid] == 0 {
			delete(s.engine.closed, oid)
		}
	}
	s.closed = nil
}

// closeDatabase waits until no session of this node is connected to a database, with no new ones until
// the transaction ends. Those of other nodes find that it is gone with their next statement.
func (s *Session) closeDatabase(ctx context.Context, d *schema.Database) error {
	s.refuseSessions(d)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); ; {
		n := s.engine.sessionsIn(d.OID)
		switch {
		case n == 0:
			return nil
		case time.Since(begin) > unusedWait && n == 1:
			return s.errUsed(d).WithDetail("There is 1 other session using the database.")
		case time.Since(begin) > unusedWait:
			return s.errUsed(d).WithDetail("There are %d other sessions using the database.", n)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (s *Session) errUsed(d *schema.Database) *pgerr.Error {
	return pgerr.New(pgerr.ObjectInUse, "database %q is being accessed by other users", d.Name)
}

// sessionsIn counts the sessions that are connected to a database other than the first one.
func (e *Engine) sessionsIn(database datum.OID) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sessions {
		if s.database == database {
			n++
		}
	}
	return n
}

// endSessions ends them, as pg_terminate_backend does.
func (e *Engine) endSessions(database datum.OID) {
	e.mu.Lock()
	var list []int32
	for pid, s := range e.sessions {
		if s.database == database {
			list = append(list, pid)
		}
	}
	e.mu.Unlock()
	for _, pid := range list {
		e.signal(pid, true)
	}
}
