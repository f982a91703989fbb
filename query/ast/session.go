package ast

// TransactionKind is a transaction command.
type TransactionKind uint8

const (
	Begin TransactionKind = iota
	Start                 // START TRANSACTION
	Commit
	Rollback
	Savepoint
	Release
	RollbackTo
	PrepareTransaction
	CommitPrepared
	RollbackPrepared
)

// TransactionModes are the modes of BEGIN and SET TRANSACTION.
type TransactionModes struct {
	Isolation  string // "", "read committed", ...
	ReadOnly   *bool
	Deferrable *bool
	Snapshot   string // SET TRANSACTION SNAPSHOT
}

// Transaction is a transaction command.
type Transaction struct {
	stmtNode
	Kind  TransactionKind
	Name  string // savepoint or transaction ID
	Modes TransactionModes
	Chain bool // AND CHAIN
}

// SetScope is LOCAL or SESSION.
type SetScope uint8

const (
	SetSession SetScope = iota // also without a word
	SetLocal
)

// Set is SET name = values, also SET TIME ZONE ("timezone"), SET NAMES
// ("client_encoding"), SET SESSION AUTHORIZATION ("session_authorization"),
// SET ROLE ("role"), SET SCHEMA ("search_path"). Without Values it is SET ... TO DEFAULT.
type Set struct {
	stmtNode
	Scope  SetScope
	Name   string
	Values []Expr // Literals; words are String literals; SET TIME ZONE INTERVAL is a Cast
}

// SetTransaction is SET [LOCAL] TRANSACTION, or with Session SET SESSION
// CHARACTERISTICS AS TRANSACTION.
type SetTransaction struct {
	stmtNode
	Session bool
	Modes   TransactionModes
}

// SetConstraints is SET CONSTRAINTS.
type SetConstraints struct {
	stmtNode
	Names    []Name // nil: ALL
	Deferred bool
}

// Reset is RESET name, or with All RESET ALL.
type Reset struct {
	stmtNode
	Name string
	All  bool
}

// Show is SHOW name; "all" is SHOW ALL.
type Show struct {
	stmtNode
	Name string
}

// Prepare is PREPARE. Text is the source of the statement.
type Prepare struct {
	stmtNode
	Name  string
	Types []*TypeName
	Stmt  Stmt
}

// Execute is EXECUTE.
type Execute struct {
	stmtNode
	Name string
	Args []Expr
}

// Deallocate is DEALLOCATE; Name is empty for ALL.
type Deallocate struct {
	stmtNode
	Name string
	All  bool
}

// DeclareCursor is DECLARE. Text is the source of the query.
type DeclareCursor struct {
	stmtNode
	Name        string
	Binary      bool
	Insensitive bool
	Asensitive  bool
	Scroll      *bool // nil if not said
	Hold        bool
	Query       *Select
}

// FetchDirection is where FETCH goes.
type FetchDirection uint8

const (
	FetchForward FetchDirection = iota
	FetchBackward
	FetchAbsolute
	FetchRelative
)

// FetchAll as Fetch.Count means all the rows.
const FetchAll = int64(1<<63 - 1)

// Fetch is FETCH or MOVE. FIRST is ABSOLUTE 1, LAST is ABSOLUTE -1.
type Fetch struct {
	stmtNode
	Cursor    string
	Direction FetchDirection
	Count     int64
	Move      bool
}

// CloseCursor is CLOSE; with All CLOSE ALL.
type CloseCursor struct {
	stmtNode
	Name string
	All  bool
}

// Discard is DISCARD; What is "ALL", "PLANS", "SEQUENCES" or "TEMP".
type Discard struct {
	stmtNode
	What string
}

// Checkpoint is CHECKPOINT.
type Checkpoint struct{ stmtNode }

// Backup is BACKUP TO STDOUT, which names the chunks of a snapshot, or BACKUP 'chunks' TO
// STDOUT, which sends some of them; Chunks is empty in the first.
type Backup struct {
	stmtNode
	Chunks string
}

// Vacuum is VACUUM or, with Analyze alone, ANALYZE.
type Vacuum struct {
	stmtNode
	Vacuum  bool
	Options []Option // "analyze", "full"...
	Tables  []VacuumTable
}

// A VacuumTable is a table, perhaps with columns.
type VacuumTable struct {
	Name    Name
	Columns []string
}

// Lock is LOCK TABLE; Mode is as in "ACCESS EXCLUSIVE".
type Lock struct {
	stmtNode
	Tables []*TableRef
	Mode   string
	NoWait bool
}

// Listen, Notify and Unlisten are the commands.
type Listen struct {
	stmtNode
	Channel string
}
type Notify struct {
	stmtNode
	Channel string
	Payload string
}
type Unlisten struct {
	stmtNode
	Channel string // empty: all
}

// Call is CALL.
type Call struct {
	stmtNode
	Func *FuncCall
}

// Do is DO.
type Do struct {
	stmtNode
	Language string
	Code     string
}
