package function_test

import (
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/function"
)

// testSession is the session of user alice.
type testSession struct{ random *function.Random }

func (testSession) User() string      { return "alice" }
func (testSession) Database() string  { return "phyllo" }
func (testSession) BackendPID() int32 { return 4711 }
func (testSession) Setting(name string) (string, bool) {
	v, ok := map[string]string{"timezone": "UTC", "server_version": "15.8", "search_path": `"$user", public`}[name]
	return v, ok
}
func (testSession) SetSetting(name, _ string, _ bool) error {
	return pgerr.New(pgerr.CantChangeParam, "parameter %q cannot be changed", name)
}
func (testSession) SearchPath(implicit bool) []string {
	if implicit {
		return []string{"pg_catalog", "public"}
	}
	return []string{"public"}
}
func (testSession) Cancel(int32, bool) bool                         { return false }
func (testSession) TransactionStart() time.Time                     { return testTime }
func (testSession) Position() int64                                 { return 0 }
func (testSession) PauseCompaction(bool) bool                       { return false }
func (testSession) TableSize(datum.OID) int64                       { return 8192 }
func (testSession) ExprText(sql string, _ datum.OID, _ bool) string { return sql }
func (testSession) WritableColumns(*schema.View) []bool             { return nil }
func (testSession) Sequences() function.Sequences                   { return nil }
func (testSession) Locks() function.Locks                           { return nil }
func (testSession) Channels() function.Channels                     { return nil }
func (s testSession) Random() *function.Random                      { return s.random }
