// Checks published logs with golang.org/x/mod/sumdb, which is not ours. The argument is the log's key. Each line of stdin
// names a folder and checkpoint files that somebody kept, tabs between; it is answered by "ok SIZE" or "BAD why".
package main

import "bufio"
import "bytes"
import "fmt"
import "golang.org/x/mod/sumdb/note"
import "golang.org/x/mod/sumdb/tlog"
import "os"
import "strings"

func same(what string, fine bool, why any) {
	if !fine {
		panic(fmt.Sprint(what, " is not right: ", why)) // ends the folder, not the program
	}
}
func must[T any](value T, err error) T {
	same("what is read or proved", err == nil, err)
	return value
}
func checkpoint(path string, key note.Verifier) (tree tlog.Tree) {
	text := must(note.Open(must(os.ReadFile(path)), note.VerifierList(key))).Text
	must(fmt.Sscan(strings.Split(text, "\n")[1], &tree.N))
	tree.Hash = must(tlog.ParseHash(strings.Split(text, "\n")[2]))
	same(path, text == fmt.Sprintf("%s\n%d\n%s\n", key.Name(), tree.N, tree.Hash), "not this log's")
	return tree
}

// check makes every hash anew from the entries, and holds all tiles, the root and what was kept against them.
func check(paths []string, key note.Verifier) (said string) {
	defer func() {
		if why := recover(); why != nil {
			said = fmt.Sprintf("BAD %q", fmt.Sprint(why))
		}
	}()
	tree, hashes, n := checkpoint(paths[0]+"/checkpoint", key), []tlog.Hash{}, int64(0)
	read := tlog.HashReaderFunc(func(at []int64) (found []tlog.Hash, _ error) {
		for _, one := range at {
			found = append(found, hashes[one])
		}
		return found, nil
	})
	for _, tile := range tlog.NewTiles(8, 0, tree.N) { // the lowest first
		if tile.W < 256 && tile.N*256+int64(tile.W) < tree.N>>(8*tile.L) {
			continue // older releases of tlog list each width on the way there too
		} // and tlog has the height in its paths
		path := paths[0] + strings.Replace(tile.Path(), "tile/8/", "/tile/", 1)
		if tile.L == 0 { // its bundle: of each entry two bytes of length and itself
			for data := must(os.ReadFile(strings.Replace(path, "/tile/0/", "/tile/entries/", 1))); len(data) > 0; n++ {
				end := 2 + int(data[0])<<8 + int(data[1])
				hashes, data = append(hashes, must(tlog.StoredHashes(n, data[2:end], read))...), data[end:]
			}
			same("the bundle", n == tile.N*256+int64(tile.W), tile.N)
		}
		same(path, bytes.Equal(must(os.ReadFile(path)), must(tlog.ReadTileData(tile, read))), "not what the entries give")
	}
	root, empty := must(tlog.TreeHash(tree.N, read)), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	same("the root", tree.Hash == root || tree.N == 0 && tree.Hash.String() == empty, root)
	for _, path := range paths[1:] {
		old := checkpoint(path, key)
		must(path, tlog.CheckTree(must(tlog.ProveTree(tree.N, old.N, read)), tree.N, root, old.N, old.Hash))
	}
	return fmt.Sprint("ok ", tree.N)
}
func main() {
	key := must(note.NewVerifier(os.Args[1]))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(check(strings.Split(lines.Text(), "\t"), key))
	}
}
