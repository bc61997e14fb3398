package org.masklens.app;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.Charset;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Answers the page's requests from the files that the app carries below {@code assets/page}. A
 * method and a URL come in, a whole HTTP answer goes out; there is no other place that requests go
 * to, so a URL of any other origin is answered with 403. Plain Java: it runs anywhere.
 */
final class AssetRouter {
    /** A name reserved by Google for this purpose; https makes the page a secure context. */
    static final String ORIGIN = "https://appassets.androidplatform.net";

    /** The page's own address for its camera; only the part after the sign changes there. */
    static final String CAMERA = "#camera";

    static final String START = ORIGIN + "/index.html" + CAMERA;

    private static final String FOLDER = "page/";
    private static final Charset UTF_8 = Charset.forName("UTF-8");
    private static final Map<String, String> TYPES = types();
    private static final Map<String, String> HEADERS = headers();

    /** Where the files are. */
    interface Files {
        /** Open a file; a path that is not there is an IOException. */
        InputStream open(String path) throws IOException;
    }

    /** Status, type and content of one answer. */
    static final class Answer {
        final int status;
        final String reason;
        final String mime;

        /** Of text; null for other content. */
        final String encoding;

        final Map<String, String> headers = HEADERS;
        final InputStream content;

        private Answer(int status, String reason, String mime, InputStream content) {
            this.status = status;
            this.reason = reason;
            this.mime = mime;
            this.encoding = isText(mime) ? "utf-8" : null;
            this.content = content;
        }

        private static Answer refusal(int status, String reason) {
            return new Answer(status, reason, "text/plain", new ByteArrayInputStream(reason.getBytes(UTF_8)));
        }
    }

    private final Files files;

    AssetRouter(Files files) {
        this.files = files;
    }

    /** Whether a URL belongs to the page: same scheme, host and port, and no user's name before them. */
    static boolean isOurs(String url) {
        return url != null && (url.equals(ORIGIN) || url.startsWith(ORIGIN + "/"));
    }

    /** Answer a request. Never null; what cannot be answered has a status of 400 or more. */
    Answer answer(String method, String url) {
        if (!isOurs(url)) return Answer.refusal(403, "Forbidden");
        if (!method.equals("GET") && !method.equals("HEAD")) {
            return Answer.refusal(405, "Method Not Allowed");
        }
        String path = path(url);
        if (path == null) return Answer.refusal(404, "Not Found");
        try {
            return new Answer(200, "OK", type(path), files.open(FOLDER + path));
        } catch (IOException missing) {
            return Answer.refusal(404, "Not Found");
        }
    }

    /** The path of a file below the folder, or null if the URL names none. */
    private static String path(String url) {
        String path;
        try {
            path = new URI(url).getPath(); // decoded, once: "%252e" is a file's name with a percent sign in it
        } catch (URISyntaxException malformed) {
            return null;
        }
        if (path.isEmpty() || path.equals("/")) return "index.html";
        path = path.substring(1);
        if (path.indexOf('\\') >= 0 || path.indexOf('\0') >= 0) return null;
        for (String part : path.split("/", -1)) {
            if (part.isEmpty() || part.equals(".") || part.equals("..")) return null;
        }
        return path;
    }

    private static String type(String path) {
        int dot = path.lastIndexOf('.');
        String type = TYPES.get(path.substring(dot + 1).toLowerCase(Locale.ROOT));
        return type == null ? "application/octet-stream" : type;
    }

    private static boolean isText(String mime) {
        return mime.startsWith("text/") || mime.endsWith("json") || mime.endsWith("xml");
    }

    private static Map<String, String> types() {
        Map<String, String> types = new HashMap<String, String>();
        types.put("css", "text/css");
        types.put("html", "text/html");
        types.put("jpg", "image/jpeg");
        types.put("js", "text/javascript");
        types.put("json", "application/json");
        types.put("mjs", "text/javascript");
        types.put("png", "image/png");
        types.put("svg", "image/svg+xml");
        types.put("txt", "text/plain");
        types.put("wasm", "application/wasm"); // else it cannot be compiled while it loads
        types.put("webmanifest", "application/manifest+json");
        types.put("webp", "image/webp");
        types.put("woff2", "font/woff2");
        return Collections.unmodifiableMap(types);
    }

    private static Map<String, String> headers() {
        Map<String, String> headers = new LinkedHashMap<String, String>();
        headers.put("Cache-Control", "no-store"); // the files are here already
        headers.put("X-Content-Type-Options", "nosniff");
        headers.put("Referrer-Policy", "no-referrer");
        // On top of the page's own policy. The bridge is there in every frame: let there be one.
        headers.put("Content-Security-Policy", "frame-src 'none'; frame-ancestors 'none'; object-src 'none'");
        return Collections.unmodifiableMap(headers);
    }
}
