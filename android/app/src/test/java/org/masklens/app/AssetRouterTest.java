package org.masklens.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

/** The router on a real folder, so that a path that climbs out would read a real file. */
public class AssetRouterTest {
    private static final String ORIGIN = AssetRouter.ORIGIN;

    @Rule public TemporaryFolder assets = new TemporaryFolder();
    private AssetRouter router;

    @Before
    public void setUp() throws IOException {
        final Path root = assets.getRoot().toPath();
        write("page/index.html", "start");
        write("page/assets/a b é.js", "script");
        write("page/model/classifier.onnx", "model");
        write("page/run.wasm", "wasm");
        write("page/%2e%2e", "a strange name");
        write("secret.txt", "secret");
        router = new AssetRouter(
                new AssetRouter.Files() {
                    @Override
                    public InputStream open(String path) throws IOException {
                        return new FileInputStream(root.resolve(path).toFile());
                    }
                });
    }

    private void write(String path, String content) throws IOException {
        Path file = assets.getRoot().toPath().resolve(path);
        Files.createDirectories(file.getParent());
        Files.writeString(file, content);
    }

    private AssetRouter.Answer get(String path) {
        return router.answer("GET", ORIGIN + path);
    }

    private static String text(AssetRouter.Answer answer) throws IOException {
        return new String(answer.content.readAllBytes(), "UTF-8");
    }

    @Test
    public void servesTheStartPageForEveryWayToWriteIt() throws IOException {
        for (String path : new String[] {"", "/", "/index.html", "/?x=1", "/index.html#camera", "/#/../.."}) {
            AssetRouter.Answer answer = get(path);
            assertEquals(path, 200, answer.status);
            assertEquals(path, "start", text(answer));
            assertEquals(path, "text/html", answer.mime);
            assertEquals(path, "utf-8", answer.encoding);
        }
    }

    @Test
    public void servesFilesWithTheirTypes() throws IOException {
        AssetRouter.Answer script = get("/assets/a%20b%20%C3%A9.js?v=1");
        assertEquals("script", text(script));
        assertEquals("text/javascript", script.mime);
        assertEquals("application/wasm", get("/run.wasm").mime);
        assertNull(get("/run.wasm").encoding);
        assertEquals("application/octet-stream", get("/model/classifier.onnx").mime);
        assertEquals("a strange name", text(get("/%252e%252e")));
    }

    @Test
    public void answersWithHeadersThatKeepFramesAndGuessesOut() {
        AssetRouter.Answer answer = get("/");
        assertEquals("nosniff", answer.headers.get("X-Content-Type-Options"));
        assertTrue(answer.headers.get("Content-Security-Policy").contains("frame-src 'none'"));
    }

    @Test
    public void saysThatAFileIsMissing() throws IOException {
        for (String path : new String[] {"/absent.js", "/model", "/model/", "/index.html/x"}) {
            AssetRouter.Answer answer = get(path);
            assertEquals(path, 404, answer.status);
            assertEquals(path, "Not Found", text(answer));
        }
    }

    @Test
    public void doesNotClimbOut() {
        assertTrue(Files.isRegularFile(assets.getRoot().toPath().resolve("page/../secret.txt")));
        for (String path : new String[] {
            "/../secret.txt",
            "/model/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/%2E%2E%2Fsecret.txt",
            "/..%2fsecret.txt",
            "/model/%2e./.%2e/secret.txt",
            "/..\\secret.txt",
            "/..%5csecret.txt",
            "/./index.html",
            "//secret.txt",
            "//etc/passwd",
            "/index.html%00.js",
            "/%",
            "/%2",
            "/%zz",
            "/%ff%fe",
            "/%c0%ae%c0%ae/secret.txt"
        }) {
            assertEquals(path, 404, get(path).status);
        }
    }

    @Test
    public void refusesOtherOriginsAndMethods() {
        for (String url : new String[] {
            "https://example.org/",
            "http://appassets.androidplatform.net/",
            "https://appassets.androidplatform.net.example.org/",
            "https://appassets.androidplatform.net@example.org/",
            "https://appassets.androidplatform.net:8443/",
            "file:///data/data/org.masklens.app/",
            "content://org.masklens.app.files/shared/x.jpg",
            "about:blank",
            ""
        }) {
            assertFalse(url, AssetRouter.isOurs(url));
            assertEquals(url, 403, router.answer("GET", url).status);
        }
        assertFalse(AssetRouter.isOurs(null));
        assertEquals(405, router.answer("POST", ORIGIN + "/").status);
        assertEquals(200, router.answer("HEAD", ORIGIN + "/").status);
    }
}
