/** Loaded before the tests: what they compile does not fill the user's cache. Tests of the cache use folders of their own. */
process.env.DITLAB_JIT_CACHE ??= "0";
