def test_probe(suite):
    print(suite.text[-6000:])
    import collections
    for k,m in suite.results["measurements"].items(): print(k, m["measure"], m["value"], (m["details"].get("encoder") or {}).get("name"), m["details"]["transform"]["name"], {a:b for a,b in m["details"]["identity"].items() if "dist" in a or a in("pairs","clip")})
    for t in suite.results["tests"]: print(t["test"], t["outcome"], [(v["assertion"], v["outcome"]) for v in t["verdicts"]])
