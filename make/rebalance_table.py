#!/usr/bin/env python3
"""Plans the snapshots D1 to D8 with bin/tidetable, judges every plan with the
independent verifier, and writes the tables of docs/rebalancing.md between their
markers. Cruise Control's columns are measurements of its own analyzer on the
same snapshots (16 default goals, threshold 1.10, JDK 17, 2 cores).

usage: rebalance_table.py SHARED BINARY DOC [names]
"""
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time

# name, generator's arguments, Cruise Control: CPU seconds, peak MB, bytes over
# bound, worst over ideal, leaders over ideal, score
CASES = [
    ('D1', '--seed 11 --brokers 40 --partitions 5000', '4.2', '167', '1.36', '1.12', '1.14', '19.1'),
    ('D2', '--seed 12 --brokers 100 --partitions 33000', '56', '822', '1.51', '1.10', '1.68', '20.4'),
    ('D3', '--seed 13 --brokers 100 --partitions 33000 --placement hot', '94', '819', '2.02', '1.59', '1.29', '17.9'),
    ('D4', '--seed 14 --brokers 100 --partitions 33000 --add 10', '34', '816', '0.47', '1.73', '1.69', '63.7'),
    ('D5', '--seed 15 --brokers 100 --partitions 33000 --placement even --drain 5', '17', '821', '0.54', '1.60', '1.50', '20.7'),
    ('D6', '--seed 16 --brokers 12 --partitions 2000 --placement zone-broken --heterogeneous', '6.3', '216', '1.68', '1.22', '1.43', '22.7'),
    ('D7', '--seed 17 --brokers 300 --partitions 100000', '391', '1900', '1.54', '1.09', '1.73', '22.5'),
    ('D8', '--seed 18 --brokers 1000 --partitions 200000', 'none in 1,500', '', '', '', '', 'none'),
]


def run(shared, binary, folder, name, arguments):
    snapshot, moves = os.path.join(folder, name + '.json'), os.path.join(folder, name + '.plan.json')
    subprocess.run([sys.executable, os.path.join(shared, 'tools', 'gen_cluster.py'), *arguments.split(), '--out', snapshot], check=True)
    start = time.monotonic()
    child = subprocess.Popen([binary, 'rebalance', 'plan', '--snapshot', snapshot, '--reassignment', moves, '--output', 'json'],
                             stdout=subprocess.PIPE)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    if status:
        sys.exit('%s: rebalance plan ended with status %d' % (name, status))
    judged = subprocess.run([sys.executable, os.path.join(shared, 'tools', 'verify_plan.py'), snapshot, moves], stdout=subprocess.PIPE)
    os.remove(snapshot)
    return json.loads(out), json.loads(judged.stdout), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def main():
    shared, binary, doc = sys.argv[1:4]
    wanted = sys.argv[4:] or [c[0] for c in CASES]
    rows = ['| snapshot | Cruise Control: CPU s, peak MB | tidetable: CPU s, wall s, peak MB (reading and writing included) | bytes / bound: CC → ours | worst of disk, in, out, CPU over ideal: CC → ours | leaders: CC → ours | score: before → CC → ours |',
            '|---|---|---|---|---|---|---|']
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments, cpu, mb, bytes_, worst, leaders, score in CASES:
            if name not in wanted:
                continue
            plan, j, spent, wall, peak = run(shared, binary, folder, name, arguments)
            if not j['valid']:
                sys.exit('%s: the verifier finds %s' % (name, j['violations']))
            over = max(j['after'][r]['overIdeal'] for r in ('disk', 'nwIn', 'nwOut', 'cpu'))
            rows.append('| %s `%s` | %s | %.1f, %.1f, %.0f | %s → %.2f | %s → %.3f | %s → %.3f | %.1f → %s → **%.2f** |' % (
                name, arguments, ', '.join(x for x in (cpu, mb) if x), spent, wall, peak, bytes_ or '–', j['lowerBounds']['bytesOverBound'] or 0,
                worst or '–', over, leaders or '–', j['after']['leaders']['overIdeal'], j['scoreParts']['imbalanceBefore'], score, j['score']))
            print(rows[-1], flush=True)
    with open(doc) as f:
        text = f.read()
    text, n = re.subn(r'(<!-- table:begin -->\n).*?(<!-- table:end -->)', lambda m: m.group(1) + '\n'.join(rows) + '\n' + m.group(2), text, flags=re.S)
    if n != 1:
        sys.exit('%s has no table markers' % doc)
    with open(doc, 'w') as f:
        f.write(text)


if __name__ == '__main__':
    main()
