#!/usr/bin/env python3
"""What a late scale-out's first plan is worth: ten brokers join a hundred, once
filled whole and once with a tenth of the data that fills them (hotShare).

usage: hot_first.py SHARED BINARY
"""
import json
import os
import subprocess
import sys
import tempfile

HOT_SHARE, JOINING = 0.1, 10


def plan(binary, snapshot, *more):
    out = subprocess.run([binary, 'rebalance', 'plan', '--snapshot', snapshot, '--output', 'json', *more], stdout=subprocess.PIPE, check=True)
    return json.loads(out.stdout)


def main():
    shared, binary = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'd4.json')
        subprocess.run([sys.executable, os.path.join(shared, 'tools', 'gen_cluster.py'), '--seed', '14', '--brokers', '100',
                        '--partitions', '33000', '--add', str(JOINING), '--out', path], check=True)
        with open(path) as f:
            s = json.load(f)
        stored = sum(p['load']['sizeBytes'] * len(p['replicas']) for t in s['topics'] for p in t['partitions'])
        hot = int(HOT_SHARE * stored / len(s['brokers']) * JOINING)
        whole, first = plan(binary, path), plan(binary, path, '--max-bytes', str(hot))
    print('| plan | TB moved | busiest broker: CPU | network out | network in | disk |')
    print('|---|---|---|---|---|---|')
    for name, p, when in (('none', whole, 'before'), ('the first, small one', first, 'after'), ('the whole one', whole, 'after')):
        moved = 0 if when == 'before' else p['bytesToMove'] / 1e12
        print('| %s | %.1f | %s |' % (name, moved, ' | '.join('%.2f' % p[when]['resources'][r]['max'] for r in ('cpu', 'networkOut', 'networkIn', 'disk'))))


main()
