package org.masklens.app;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.Base64;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;

/** What the page may hand over. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 34)
public class KeptFileTest {
    private static final String CONTENT = Base64.getEncoder().encodeToString(new byte[] {1, 2, 3});

    @Test
    public void decodesTheContent() {
        KeptFile file = KeptFile.of("faces.jpg", "image/jpeg", CONTENT);
        assertArrayEquals(new byte[] {1, 2, 3}, file.content);
        assertEquals("faces.jpg", file.name);
        assertTrue(file.isPicture());
        assertEquals("text/csv", KeptFile.of("a.csv", "text/csv;charset=utf-8", CONTENT).mime);
    }

    @Test
    public void tellsTheTypeByTheName() {
        for (String mime : new String[] {"image/jpeg", "image/png", "application/json", "text/csv"}) {
            assertEquals(mime, KeptFile.typeOf(KeptFile.of("faces", mime, CONTENT).name));
        }
        assertNull(KeptFile.typeOf("faces.apk"));
    }

    @Test
    public void makesEveryNameOneOfAFile() {
        String[][] expected = {
            {"faces.jpg", "faces.jpg"},
            {"Straße (2).JPG", "Straße (2).jpg"},
            {"../../etc/passwd", "_.._etc_passwd.jpg"},
            {"/data/x.jpg", "_data_x.jpg"},
            {"..", "masklens.jpg"},
            {".hidden", "hidden.jpg"},
            {"a\\b:c*d?\n\0.jpg", "a_b_c_d___.jpg"},
            {"faces.apk", "faces.apk.jpg"},
            {"", "masklens.jpg"},
            {null, "masklens.jpg"},
            {"x".repeat(500), "x".repeat(100) + ".jpg"},
            {"漢".repeat(100) + ".jpg", "漢".repeat(66) + ".jpg"}, // three bytes each
        };
        for (String[] pair : expected) assertEquals(pair[1], KeptFile.safeName(pair[0], "jpg"));
    }

    @Test
    public void refusesOtherTypesDamageAndTooMuch() {
        assertRefused("no type of file", "text/html", CONTENT);
        assertRefused("no type of file", "application/vnd.android.package-archive", CONTENT);
        assertRefused("no type of file", null, CONTENT);
        assertRefused("damaged", "image/png", "=?=");
        assertRefused("empty", "image/png", "");
        assertRefused("larger than 48 MB", "image/png", null);
        assertRefused("larger than 48 MB", "image/png", "A".repeat(KeptFile.MOST_BYTES / 3 * 4 + 4));
    }

    private static void assertRefused(String reason, String mime, String base64) {
        IllegalArgumentException refusal =
                assertThrows(IllegalArgumentException.class, () -> KeptFile.of("x", mime, base64));
        assertTrue(refusal.getMessage(), refusal.getMessage().contains(reason));
    }
}
